// Which Chromium plays the tests: the one that CHROMIUM names, else Debian's without windows, which needs two thirds of the
// time, else Debian's own.
import { existsSync } from "node:fs";

const SHELL = "/usr/bin/chromium-headless-shell";

export const executablePath = process.env.CHROMIUM ?? (existsSync(SHELL) ? SHELL : "/usr/bin/chromium");
