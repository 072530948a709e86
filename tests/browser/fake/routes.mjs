// The routes of the gateway in memory.
import { randomBytes } from "node:crypto";
import { measure } from "../../../src/http/console/web/live/counter.js";
import { problem } from "./gateway.mjs";

/** @typedef {import("./gateway.mjs").Gateway} Gateway */
/** @typedef {import("./gateway.mjs").Answer} Answer */
/** @typedef {import("./gateway.mjs").Request} Request */

const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+P+/HgAFhAJ/wlseKgAAAABJRU5ErkJggg==", "base64");

/** @param {any[]} items @param {URLSearchParams} query @returns {Answer} */
function page(items, query) {
  const from = Number(query.get("cursor")?.slice(1) ?? 0);
  const limit = Number(query.get("limit") ?? 50);
  const more = items.length > from + limit;
  return { status: 200, body: { items: items.slice(from, from + limit), next_cursor: more ? `p${from + limit}` : null } };
}

/** @param {Gateway} gateway @param {Request} request @returns {Promise<Answer>} */
export async function answer(gateway, request) {
  gateway.seen.push(request);
  const instead = await gateway.instead?.(request);
  if (instead) return instead;
  const key = request.method === "POST" ? request.headers["idempotency-key"] : undefined;
  const known = key && gateway.remembered.get(`${request.path} ${key}`);
  if (known) return { ...known, headers: { "Idempotent-Replay": "true" } };
  const found = route(gateway, request);
  if (key && found.status < 300) gateway.remembered.set(`${request.path} ${key}`, found);
  return found;
}

/** @param {Gateway} gateway @param {Request} request @returns {Answer} */
function route(gateway, request) {
  const { method, path, query, body } = request;
  const [, , kind, id, what] = path.split("/").map(decodeURIComponent);
  if (path.startsWith("/demo/")) return demo(gateway, request);
  switch (kind) {
    case "me":
      return { status: 200, body: gateway.me };
    case "health":
      return { status: 200, body: gateway.health };
    case "audit":
      return page(
        gateway.audit.filter(({ resource }) => !query.get("resource") || resource === query.get("resource")),
        query,
      );
    case "languages":
      return page(languages(gateway), query);
    case "estimate":
      return { status: 200, body: estimate(body.text) };
    case "calls":
      return calls(gateway, request, id, what);
    case "messages":
      return messages(gateway, method, id, what);
    case "media":
      return {
        status: 200,
        body: PIXEL,
        headers: { "Content-Type": "image/png", "Content-Security-Policy": "sandbox; default-src 'none'" },
      };
    case "opt-outs":
      return optOuts(gateway, request, id);
    case "numbers":
      if (id === "verify") return verify(gateway, body.numbers);
      if (what === "suspend" || what === "resume") {
        gateway.change(
          `/v1/numbers/${id}`,
          {
            ...gateway.docs.get(`/v1/numbers/${id}`),
            suspended:
              what === "suspend" ? { reason: body.reason, until: body.until ?? null, since: new Date().toISOString(), by: "anna" } : null,
          },
          "anna",
        );
        return { status: 200, body: gateway.show(`/v1/numbers/${id}`) };
      }
  }
  return directory(gateway, request);
}

/** @param {string} text */
function estimate(text) {
  const { encoding, characters, units, segments, overLimit } = measure(text);
  return { encoding, characters, units, segments, over_limit: overLimit, warnings: [] };
}

/** @param {Gateway} gateway */
function languages(gateway) {
  const { closing, auto_reply: reply } = gateway.docs.get("/v1/settings");
  const queues = gateway.under("/v1/queues/").map(([id]) => gateway.effective(id).language);
  const presets = gateway.under("/v1/presets/").map(([id]) => id.split("/")[0]);
  const codes = [...new Set([...queues, ...presets, ...Object.keys(closing.texts), ...Object.keys(reply.texts)])].sort();
  return codes.map((code) => ({
    code,
    presets: presets.filter((one) => one === code).length,
    closing: !!closing.texts[code],
    auto_reply: !!reply.texts[code],
    queues: queues.filter((one) => one === code).length,
  }));
}

/** @param {Gateway} gateway @param {string[]} numbers @returns {Answer} */
function verify(gateway, numbers) {
  const results = numbers.map((number) => {
    const path = `/v1/numbers/${number}`;
    const doc = gateway.docs.get(path);
    if (!doc) return { number, state: "failed", code: "not_found", reason: "not in the directory" };
    if (doc.label === "Old") return { number, ...doc.verification };
    gateway.change(
      path,
      {
        ...doc,
        verification: {
          state: "verified",
          status: "Verified for SMS messaging only",
          sms: true,
          mms: true,
          code: null,
          reason: null,
          checked_at: new Date().toISOString(),
          by: "carrier",
        },
      },
      "anna",
    );
    return { number, state: "verified", code: null, reason: null };
  });
  return { status: 200, body: { results } };
}

/** @param {Gateway} gateway @param {Request} request @param {string} id @param {string} what @returns {Answer} */
function calls(gateway, { method, body, query }, id, what) {
  const call = gateway.calls.get(id);
  if (!id) {
    const wanted = (/** @type {any} */ one) =>
      ["caller", "queue", "agent", "state"].every((name) => !query.get(name) || one[name] === query.get(name));
    return page(
      [...gateway.calls.values()]
        .reverse()
        .filter(wanted)
        .map((one) => gateway.showCall(one)),
      query,
    );
  }
  if (method === "PUT") return putCall(gateway, id, body);
  if (!call) return problem(404, "call_not_found", `no call ${id}`);
  if (method === "GET" && what === "messages")
    return page(
      [...gateway.messages.values()].filter((message) => message.call_id === id),
      query,
    );
  if (method === "POST" && what === "messages") return send(gateway, call, body);
  if (method === "POST" && what === "end") {
    if (call.state === "active") {
      Object.assign(call, { state: "ended", ended_at: new Date().toISOString(), end_reason: body.reason ?? null });
      gateway.emit("call.ended", gateway.showCall(call), id);
      const { closing } = gateway.docs.get("/v1/settings");
      const text = closing.texts[call.language] ?? closing.texts.en;
      if (closing.enabled && call.our_number && text && !gateway.optOuts.has(call.caller)) gateway.send(call, "closing", text);
    }
    return { status: 200, body: gateway.showCall(call) };
  }
  return { status: 200, body: gateway.showCall(call) };
}

/** @param {Gateway} gateway @param {string} id @param {any} body @returns {Answer} */
function putCall(gateway, id, body) {
  const before = gateway.calls.get(id);
  if (!gateway.docs.has(`/v1/queues/${body.queue}`)) return problem(404, "queue_not_found", `no queue ${body.queue}`);
  const fresh = {
    id,
    state: "active",
    language: gateway.effective(body.queue).language,
    phase: "connected",
    agent: null,
    call_type: "inbound_ivr",
    wait_sms_consent: false,
    version: null,
    alternative: null,
    attestation: null,
    our_number: null,
    started_at: new Date().toISOString(),
    ended_at: null,
    end_reason: null,
    lease_until: new Date(Date.now() + 14_400_000).toISOString(),
    last_event_at: new Date().toISOString(),
    usage: { preset_sent: 0, custom_sent: 0, smart_action_sent: 0, system_sent: 0, received: 0, media_received: 0, segments_sent: 0 },
  };
  const call = { ...(before ?? fresh), ...body };
  gateway.calls.set(id, call);
  gateway.emit(before ? "call.updated" : "call.started", gateway.showCall(call), id);
  return { status: before ? 200 : 201, body: gateway.showCall(call) };
}

/** @param {Gateway} gateway @param {any} call @param {any} body @returns {Answer} */
function send(gateway, call, body) {
  const { refusal, custom_allowed: custom } = gateway.sms(call);
  if (refusal) return problem(refusal === "call_ended" ? 409 : 403, refusal, "");
  const { agent = null, client_ref = null } = body;
  if (body.preset) {
    const preset = gateway.docs.get(`/v1/presets/${body.language ?? call.language}/${body.preset}`);
    if (!preset) return problem(404, "preset_not_found");
    call.usage.preset_sent += 1;
    return { status: 202, body: structuredClone(gateway.send(call, "preset", preset.text, { agent, client_ref })) };
  }
  if (!custom) return problem(403, "custom_messages_off");
  if (measure(body.text).overLimit) return problem(422, "text_too_long", "write at most 918");
  call.usage.custom_sent += 1;
  return { status: 202, body: structuredClone(gateway.send(call, "custom", body.text, { agent, client_ref })) };
}

/** @param {Gateway} gateway @param {string} method @param {string} id @param {string} what @returns {Answer} */
function messages(gateway, method, id, what) {
  const message = gateway.messages.get(id);
  if (!message) return problem(404, "not_found");
  if (what === "explain") {
    const waiting = message.state === "queued";
    return {
      status: 200,
      body: {
        state: message.state,
        lane: message.from,
        position: waiting ? 1 : null,
        waiting_for: waiting ? "number_rate" : null,
        reason: null,
        due_at: waiting ? new Date(Date.now() + 3000).toISOString() : null,
        attempts: waiting ? [] : [{ at: message.created_at, outcome: "sent", status: 201, detail: "the carrier took it in 84 ms" }],
        timeline: [{ at: message.created_at, event: "accepted", detail: "by anna" }],
      },
    };
  }
  if (method === "DELETE") {
    if (message.state !== "queued") return problem(409, "not_queued", "the carrier has it");
    Object.assign(message, {
      state: "cancelled",
      error: { code: "cancelled_by_request", carrier_code: null, detail: "", retryable: false },
    });
    gateway.emit("message.cancelled", message, message.call_id);
  }
  return { status: 200, body: message };
}

/** @param {Gateway} gateway @param {Request} request @param {string} id @returns {Answer} */
function optOuts(gateway, { method, query, body }, id) {
  if (!id)
    return page(
      [...gateway.optOuts.values()].filter(({ number }) => !query.get("number") || number === query.get("number")),
      query,
    );
  if (method === "PUT")
    gateway.optOuts.set(id, {
      number: id,
      everywhere: body.everywhere ?? true,
      our_numbers: [],
      since: new Date().toISOString(),
      by: "administrator",
    });
  if (method === "DELETE") {
    gateway.optOuts.delete(id);
    return { status: 204 };
  }
  return { status: 200, body: gateway.optOuts.get(id) };
}

/** @param {Gateway} gateway @param {Request} request @returns {Answer} */
function directory(gateway, { method, path: escaped, query, body, headers }) {
  const path = decodeURIComponent(escaped);
  const kind = path.split("/")[2];
  if (!["settings", "numbers", "queues", "presets", "accounts"].includes(kind))
    return problem(404, "not_found", "no such endpoint; see /v1/openapi.json");
  if (path === `/v1/${kind}` && kind !== "settings") {
    const order = (/** @type {any} */ a, /** @type {any} */ b) => (a.position ?? 999) - (b.position ?? 999);
    const items = gateway
      .under(`${path}/`)
      .map(([id]) => gateway.show(`${path}/${id}`))
      .filter((item) => !query.get("language") || item.language === query.get("language"));
    return page(kind === "presets" ? items.sort(order) : items, query);
  }
  const exists = gateway.docs.has(path);
  if (method === "GET")
    return exists
      ? { status: 200, body: gateway.show(path), headers: { ETag: gateway.etag(path) } }
      : problem(404, "not_found", `no ${path}`);
  if (headers["if-none-match"] === "*" && exists) return problem(412, "precondition_failed", "it exists");
  if (headers["if-match"] && headers["if-match"] !== gateway.etag(path)) return problem(412, "precondition_failed", "somebody changed it");
  if (method === "DELETE") {
    gateway.docs.delete(path);
    gateway.emit("directory.changed", { resource: kind, id: path.split("/").slice(3).join("/"), etag: null, by: "anna" });
    return { status: 204 };
  }
  const wrong = breaches(gateway, kind, path.split("/")[3], body);
  if (wrong.length > 0) return problem(409, wrong[0].code, wrong[0].detail, { errors: wrong });
  const defaults =
    kind === "numbers"
      ? {
          purpose: "in_call",
          global_outbound: false,
          limits: { segments_per_second: 1, burst: 1, segments_per_day: null, day_zone: "America/Los_Angeles" },
          verification: gateway.docs.get(path)?.verification ?? {
            state: "unverified",
            status: "Not verified",
            sms: false,
            mms: false,
            code: null,
            reason: null,
            checked_at: null,
            by: null,
          },
        }
      : kind === "queues"
        ? { parent: null, in_call_sms: null, inbound_numbers: [], outbound_numbers: [], default_outbound: null, language: null }
        : {};
  const { id: _i, number: _n, effective: _e, queues: _q, lane: _l, activation_required: _a, ...doc } = body;
  gateway.change(path, { ...defaults, ...doc }, "anna");
  return { status: exists ? 200 : 201, body: gateway.show(path), headers: { ETag: gateway.etag(path) } };
}

/** @param {Gateway} gateway @param {string} kind @param {string} id @param {any} body */
function breaches(gateway, kind, id, body) {
  if (kind !== "queues") return [];
  return (body.inbound_numbers ?? []).flatMap((/** @type {string} */ number, /** @type {number} */ at) => {
    const holder = gateway.under("/v1/queues/").find(([other, queue]) => other !== id && queue.inbound_numbers.includes(number));
    return holder
      ? [
          {
            field: `inbound_numbers[${at}]`,
            code: "inbound_number_taken",
            detail: `${number} is an inbound number of ${holder[1].name}: take it out there first`,
          },
        ]
      : [];
  });
}

/** @param {Gateway} gateway @param {Request} request @returns {Answer} */
function demo(gateway, { method, path, body }) {
  const [, , kind, number, what] = path.split("/").map(decodeURIComponent);
  if (kind === "carrier") {
    if (method === "PUT") Object.assign(gateway.mood, body);
    return { status: 200, body: gateway.mood };
  }
  if (kind !== "phones") return problem(404, "not_found");
  if (!number && method === "POST") {
    const added = `+1206555${String(200 + gateway.inboxes.size).padStart(4, "0")}`;
    gateway.inboxes.set(added, []);
    return { status: 201, body: { number: added } };
  }
  if (!number) return { status: 200, body: { items: [...gateway.inboxes.keys()].map((one) => ({ number: one })), next_cursor: null } };
  if (what === "inbox") return { status: 200, body: { items: gateway.inboxes.get(number) ?? [], next_cursor: null } };
  gateway.receive(number, body);
  return { status: 202, body: { id: randomBytes(4).toString("hex") } };
}
