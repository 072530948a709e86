// A conversation like that of the mock, for pictures and for axe.
/** @param {import("./gateway.mjs").Gateway} gateway */
export function fill(gateway) {
  const at = (/** @type {number} */ seconds) => new Date(Date.parse("2026-11-30T10:02:04.000Z") + seconds * 1000).toISOString();
  const usage = { preset_sent: 1, custom_sent: 2, smart_action_sent: 0, system_sent: 0, received: 1, media_received: 2, segments_sent: 4 };
  const call = (/** @type {string} */ id, /** @type {any} */ more) =>
    gateway.calls.set(id, {
      id,
      state: "active",
      caller: "+12065550142",
      queue: "support",
      language: "it",
      phase: "connected",
      agent: "agent-17",
      call_type: "inbound_ivr",
      wait_sms_consent: false,
      version: null,
      alternative: null,
      attestation: null,
      our_number: "+12065550100",
      started_at: at(0),
      ended_at: null,
      end_reason: null,
      lease_until: at(14_400),
      last_event_at: at(0),
      usage,
      ...more,
    });
  call("c-38", {
    caller: "+12065550177",
    queue: "night",
    state: "ended",
    ended_at: at(-600),
    started_at: at(-1200),
    end_reason: "caller_hangup",
    language: "en",
    usage: { ...usage, custom_sent: 0 },
  });
  call("c-39", {
    caller: "+393471234567",
    queue: "billing",
    state: "ended",
    ended_at: at(-60),
    started_at: at(-900),
    end_reason: "agent_hangup",
  });
  call("c-40", {
    caller: "+12065550143",
    queue: "sales",
    agent: null,
    phase: "waiting",
    our_number: null,
    language: "en",
    started_at: at(-30),
  });
  call("c-42", {});
  const message = (/** @type {string} */ id, /** @type {any} */ more) =>
    gateway.messages.set(id, {
      id,
      call_id: "c-42",
      direction: "outbound",
      kind: "custom",
      state: "delivered",
      from: "+12065550100",
      to: "+12065550142",
      encoding: "gsm7",
      segments: 1,
      warnings: [],
      estimated_wait_ms: 0,
      media: [],
      agent: "agent-17",
      smart_action: null,
      client_ref: null,
      error: null,
      ...more,
    });
  const medium = (/** @type {string} */ id) => ({
    id,
    state: "ready",
    content_type: "image/png",
    bytes: 68,
    sha256: "0".repeat(64),
    url: `/v1/media/${id}`,
  });
  message("msg_1", { kind: "preset", text: "Hello, this is your agent. You can text me here while we talk.", created_at: at(7) });
  message("msg_2", {
    direction: "inbound",
    kind: "inbound",
    state: "received",
    text: "Here is the meter, both sides",
    media: [medium("med_1"), medium("med_2"), { id: "med_3", state: "failed", reason: "too_large", content_type: "video/mp4" }],
    created_at: at(58),
  });
  message("msg_3", {
    state: "sent",
    text: "Buongiorno, è perfetto: grazie! Ora controllo la matricola e le dico subito se serve altro.",
    created_at: at(96),
  });
  message("msg_4", {
    state: "undelivered",
    text: "abc \u202egnp.exe <img src=x onerror=alert(1)>",
    error: { code: "unreachable", carrier_code: "30003", detail: "the phone is off", retryable: true },
    created_at: at(99),
  });
  message("msg_5", { state: "queued", segments: 2, text: "Ecco il link: https://example.com/guasti/1234 — a presto", created_at: at(111) });
  gateway.inboxes.set("+12065550142", [
    {
      direction: "in",
      from: "+12065550100",
      to: "+12065550142",
      text: "Hello, this is your agent. You can text me here while we talk.",
      media: 0,
      at: at(8),
    },
    { direction: "out", from: "+12065550142", to: "+12065550100", text: "Here is the meter, both sides", media: 2, at: at(57) },
    {
      direction: "in",
      from: "+12065550100",
      to: "+12065550142",
      text: "Buongiorno, è perfetto: grazie! Ora controllo la matricola e le dico subito se serve altro.",
      media: 0,
      at: at(97),
    },
  ]);
}
