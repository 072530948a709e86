// The directory that the gateway in memory begins with.

const NUMBER = {
  purpose: "in_call",
  global_outbound: false,
  limits: { segments_per_second: 1, burst: 1, segments_per_day: null, day_zone: "America/Los_Angeles" },
};
const QUEUE = { parent: null, in_call_sms: null, inbound_numbers: [], outbound_numbers: [], default_outbound: null, language: null };

const verified = {
  state: "verified",
  status: "Verified for SMS messaging only",
  sms: true,
  mms: true,
  code: null,
  reason: null,
  checked_at: "2026-11-30T09:00:00.000Z",
  by: "carrier",
};
const unverified = {
  state: "unverified",
  status: "Not verified",
  sms: false,
  mms: false,
  code: null,
  reason: null,
  checked_at: null,
  by: null,
};

/** @param {(path: string, doc: any) => void} put */
export function seed(put) {
  put("/v1/settings", {
    in_call_sms: true,
    non_us: { in_call: false, wait_time: false, rule: "plus_one" },
    custom_messages: true,
    presets_only: false,
    default_language: "en",
    closing: {
      enabled: true,
      texts: { en: "Thanks for calling. This conversation has ended.", it: "Grazie per la chiamata. La conversazione è finita." },
    },
    auto_reply: {
      enabled: true,
      texts: { en: "This number is not monitored. Please call us." },
      quiet_minutes: 15,
      per_day: 3,
      unknown_sender: "reply",
      strangers_per_hour: 200,
    },
    opt_out_scope: "all_numbers",
    call_types: ["inbound_ivr"],
    attach_cross_queue: false,
    call_lease_minutes: 240,
    late_text: false,
    minimum_attestation: null,
    drop_non_us_inbound: false,
    contact_memory_days: 90,
    landline_memory_days: 30,
    max_wait_ms: 10000,
    retention_days: 30,
    media_retention_days: 7,
  });
  put("/v1/numbers/+12065550100", { ...NUMBER, label: "Support A", account: "main", verification: verified });
  put("/v1/numbers/+12065550101", { ...NUMBER, label: "Sales", account: "main", verification: verified });
  put("/v1/numbers/+12065550102", { ...NUMBER, label: "Outbound pool", account: "main", verification: { ...verified, mms: false } });
  put("/v1/numbers/+12065550103", { ...NUMBER, label: "Pool 2", account: "main", verification: unverified });
  put("/v1/numbers/+12065550104", {
    ...NUMBER,
    label: "Old",
    account: "main",
    verification: {
      ...unverified,
      state: "failed",
      sms: true,
      code: "webhook_elsewhere",
      reason: "The number's webhook points elsewhere: https://old.example.com/sms",
    },
  });
  put("/v1/queues/support", {
    ...QUEUE,
    name: "Support",
    in_call_sms: true,
    inbound_numbers: ["+12065550100"],
    outbound_numbers: ["+12065550102"],
    default_outbound: "+12065550100",
    language: "en",
  });
  put("/v1/queues/billing", { ...QUEUE, name: "Billing", parent: "support", language: "it" });
  put("/v1/queues/sales", { ...QUEUE, name: "Sales", in_call_sms: true, inbound_numbers: ["+12065550101"] });
  put("/v1/queues/night", { ...QUEUE, name: "Night", in_call_sms: false });
  put("/v1/presets/en/welcome", {
    label: "Welcome",
    text: "Hello, this is your agent. You can text me here while we talk.",
    position: 1,
  });
  put("/v1/presets/en/photo", { label: "Ask for a photo", text: "Please send me a photo of the label.", position: 2 });
  put("/v1/presets/en/wait", { label: "Wait", text: "One moment please, I am looking it up.", position: 3 });
  put("/v1/presets/en/address", {
    label: "Our address",
    text: `We are at 500 Pine Street, Seattle. ${"The entrance is on the side of the park. ".repeat(4)}`,
    position: 4,
  });
  put("/v1/presets/it/welcome", {
    label: "Benvenuto",
    text: "Buongiorno, sono il suo agente. Può scrivermi qui mentre parliamo.",
    position: 1,
  });
  put("/v1/accounts/main", {
    limits: { segments_per_second: null, burst: null, segments_per_day: null, day_zone: "America/Los_Angeles" },
  });
}
