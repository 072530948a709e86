// A line between browser and console that can be cut: what is under way breaks, and nothing comes through until it is mended.
import { connect, createServer } from "node:net";

export class Line {
  /** @type {Set<import("node:net").Socket>} */
  #sockets = new Set();
  #isCut = false;
  /** What the stream of events comes from. @type {import("node:net").Socket | null} */
  #stream = null;
  #to = 0;
  #server = createServer((from) => {
    if (this.#isCut) return void from.destroy();
    const to = connect(this.#to, "127.0.0.1");
    from.pipe(to).pipe(from);
    from.on("data", (bytes) => bytes.includes("text/event-stream") && (this.#stream = to));
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  });

  /** Listens at a port of its own. */
  async open() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", () => resolve(null)));
    return this;
  }

  get address() {
    const address = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    return `http://127.0.0.1:${address.port}`;
  }

  /** Leads to the console of this configuration, which says that people reach it here. @param {string} text */
  config(text) {
    this.#to = Number(/^console = "127\.0\.0\.1:(\d+)"/m.exec(text)?.[1]);
    return text.replace("[console]\n", `[console]\npublic_url = "${this.address}"\n`);
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The stream of events says nothing more, and does not end: as when a network went away without a word. */
  hush() {
    this.#stream?.unpipe();
    this.#stream?.pause();
  }

  mend() {
    this.#isCut = false;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}
