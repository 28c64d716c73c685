// The browser phone of the cabinet: one line, one call at a time. JsSIP speaks SIP over WebSocket;
// sound goes by WebRTC straight to the switch. The page holds a pass of half an hour, never the
// line's password. A call goes on while the WebSocket is away, and when the page is loaded again.
import { JsSIP } from "./jssip.min.js";

const REGISTER_SECONDS = 300;
const RENEW_BEFORE_MS = 600_000; // a pass that ends sooner is replaced at the next registration
const RECONNECT_SECONDS = 8; // the longest pause between two tries
const BUSY_MS = 200;
const QUALITY_MS = 2_000;
const KEPT = "softswitch.call"; // in the storage of this tab
const KEPT_MS = 20_000; // the switch ends a call 25 s after the browser's last sign of life
const MEDIA = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } };

const element = (id) => document.getElementById(id);
const root = element("phone");
const words = JSON.parse(root.dataset.words);
const say = (word, number = "") => {
  element("state").textContent = words[word].replace("{number}", number);
  element("state").dataset.state = word;
};
const show = (id, visible) => { element(id).hidden = !visible; };

let agent = null;
let pass = null;
let session = null;
let statistics = null;
let ringing = null;
let tones = null;
let identity = null; // of this phone for the switch: its Contact and its instance (RFC 5626)
let dialog = null; // the names of the call's dialog, by which another page may replace this one
let continued = null; // the call of the page before this one, until it is this one's
let wasAway = false;

// Passes

async function fetchPass() {
  const form = new FormData(element("pass"));
  form.set("line", element("line").value);
  const response = await fetch(location.pathname, { method: "POST", body: form });
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || !type.startsWith("application/json")) throw new Error(`pass: ${response.status}`);
  return response.json();
}

async function renewPass() {
  if (Date.parse(pass.ends_at) - Date.now() < RENEW_BEFORE_MS) {
    pass = await fetchPass();
    agent.set("authorization_user", pass.auth_username);
    agent.set("password", pass.password);
  }
}

// The line

async function start() {
  element("start").disabled = true;
  identity = continued?.identity ?? {
    contact: `sip:${crypto.randomUUID()}@browser.invalid;transport=ws`,
    instance: crypto.randomUUID(),
  };
  tones = new AudioContext();
  try {
    pass = await fetchPass();
    await chooseDevices();
  } catch (error) {
    element("start").disabled = false;
    continued = null;
    say("refused");
    return;
  }
  if ("Notification" in window && Notification.permission === "default") {
    Notification.requestPermission();
  }
  agent = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(pass.server)],
    uri: `sip:${pass.user}@${pass.domain}`,
    authorization_user: pass.auth_username,
    password: pass.password,
    register_expires: REGISTER_SECONDS,
    contact_uri: identity.contact,
    instance_id: identity.instance,
    connection_recovery_max_interval: RECONNECT_SECONDS,
    session_timers: true,
    user_agent: "softswitch browser phone",
  });
  agent.on("registered", registered);
  agent.on("registrationFailed", () => { if (!session) say("refused"); });
  agent.on("disconnected", () => {
    wasAway = true;
    if (!session) say("away");
  });
  agent.on("registrationExpiring", async () => {
    try {
      await renewPass();
    } catch (error) {
      say("away"); // signed out, or the portal is away: the old pass is tried until it ends
    }
    agent.register();
  });
  agent.on("newRTCSession", ({ session: added, request }) => take(added, request));
  element("line").disabled = true;
  agent.start();
}

function registered() {
  show("dial", true);
  if (continued && !session) resume();
  else if (!session) say("ready");
  else if (wasAway && session.isEstablished()) askAfter(session);
  wasAway = false;
}

// A BYE that came while the connection was away is lost: a call that the switch no longer knows (481)
// is over.
function askAfter(asked) {
  const onDialogError = () => { if (session === asked) asked.terminate(); };
  asked.sendRequest(JsSIP.C.OPTIONS, { eventHandlers: { onDialogError } });
}

// Calls

const peer = () =>
  continued?.peer || session.remote_identity.display_name || session.remote_identity.uri.user;
const options = () => ({
  mediaConstraints: { audio: microphone(), video: false },
  pcConfig: { iceServers: pass.ice_servers },
});

function take(added, request) {
  if (session) {
    added.terminate({ status_code: 486 });
    return;
  }
  session = added;
  before = { received: 0, lost: 0 };
  session.on("peerconnection", ({ peerconnection }) => listen(peerconnection));
  if (session.connection) listen(session.connection);
  // The switch learns our address from our checks: nothing waits for servers that don't answer.
  session.on("icecandidate", ({ ready }) => ready());
  session.on("accepted", ({ response }) => {
    dialog = added.direction === "incoming"
      ? { call: request.call_id, theirs: request.from_tag, ours: request.to_tag }
      : { call: response.call_id, theirs: response.to_tag, ours: response.from_tag };
    if (continued?.muted) session.mute({ audio: true });
    say("talking", peer());
    stopRinging();
    buttons();
  });
  session.on("confirmed", () => { if (continued?.held) holdOrResume(); });
  session.on("hold", () => buttons());
  session.on("unhold", () => buttons());
  session.on("muted", () => buttons());
  session.on("unmuted", () => buttons());
  session.on("ended", () => over("ended"));
  session.on("failed", ({ cause }) => {
    over(continued ? "ended" : cause === JsSIP.C.causes.BUSY ? "busy" : "failed");
  });
  if (session.direction === "incoming") {
    say("incoming", peer());
    ring();
  } else {
    say(continued ? "away" : "calling", peer());
  }
  buttons();
}

// The call of the page before: it is left as it is, and this page takes that one's place in it.

function keep() {
  sessionStorage.setItem(KEPT, JSON.stringify({
    at: Date.now(),
    line: element("line").value,
    identity,
    dialog,
    peer: peer(),
    held: session.isOnHold().local,
    muted: session.isMuted().audio,
  }));
}

function kept() {
  const found = JSON.parse(sessionStorage.getItem(KEPT));
  sessionStorage.removeItem(KEPT);
  return found && Date.now() - found.at < KEPT_MS ? found : null;
}

function resume() {
  const { call, theirs, ours } = continued.dialog;
  const replaces = `Replaces: ${call};to-tag=${theirs};from-tag=${ours}`;
  agent.call(pass.user, { ...options(), extraHeaders: [replaces] });
}

function over(word) {
  say(word);
  session = dialog = continued = null;
  element("hold").disabled = false;
  stopRinging();
  clearInterval(statistics);
  statistics = null;
  show("quality", false);
  buttons();
}

function listen(connection) {
  connection.addEventListener("track", ({ track, streams }) => {
    element("sound").srcObject = streams[0] ?? new MediaStream([track]);
    const speaker = element("speaker").value;
    if (speaker && element("sound").setSinkId) element("sound").setSinkId(speaker);
  });
  statistics ??= setInterval(() => measure(connection), QUALITY_MS);
}

function buttons() {
  const talks = session?.isEstablished() ?? false;
  const held = session?.isOnHold().local ?? false;
  const muted = session?.isMuted().audio ?? false;
  show("call", !session);
  show("accept", session?.direction === "incoming" && !talks);
  show("end", Boolean(session));
  for (const id of ["hold", "mute", "transfer"]) show(id, talks);
  element("hold").textContent = held ? words.resume : words.hold;
  element("mute").textContent = muted ? words.unmute : words.mute;
  if (talks) say(held ? "on_hold" : "talking", peer());
}

function holdOrResume() {
  if (!session) return;
  const button = element("hold");
  const done = () => { button.disabled = false; };
  button.disabled = true; // until the switch has agreed
  const begun = session.isOnHold().local ? session.unhold({}, done) : session.hold({}, done);
  if (!begun) setTimeout(holdOrResume, BUSY_MS); // another offer is under way
}

function press(key) {
  if (session?.isEstablished()) {
    session.sendDTMF(key, { transportType: JsSIP.C.DTMF_TRANSPORT.RFC2833, duration: 120 });
  } else {
    element("number").value += key;
  }
}

// An incoming call is heard, and seen from another window

function ring() {
  const beep = () => {
    const oscillator = new OscillatorNode(tones, { frequency: 425 });
    oscillator.connect(new GainNode(tones, { gain: 0.1 })).connect(tones.destination);
    oscillator.start();
    oscillator.stop(tones.currentTime + 1);
  };
  beep();
  const repeated = setInterval(beep, 4_000);
  let note = null;
  if (document.hidden && "Notification" in window && Notification.permission === "granted") {
    note = new Notification(words.incoming.replace("{number}", peer()), { tag: "call" });
    note.onclick = () => window.focus();
  }
  ringing = () => { clearInterval(repeated); note?.close(); };
}

function stopRinging() {
  ringing?.();
  ringing = null;
}

// Devices

function microphone() {
  const chosen = element("microphone").value;
  return chosen ? { ...MEDIA.audio, deviceId: { exact: chosen } } : MEDIA.audio;
}

async function chooseDevices() {
  const stream = await navigator.mediaDevices.getUserMedia(MEDIA); // names are told only after this
  for (const track of stream.getTracks()) track.stop();
  const devices = await navigator.mediaDevices.enumerateDevices();
  for (const [id, kind] of [["microphone", "audioinput"], ["speaker", "audiooutput"]]) {
    const found = devices.filter((device) => device.kind === kind && device.deviceId);
    element(id).replaceChildren(...found.map((device) => new Option(device.label, device.deviceId)));
  }
}

async function changeMicrophone() {
  const sender = session?.connection?.getSenders().find((one) => one.track?.kind === "audio");
  if (!sender) return;
  const stream = await navigator.mediaDevices.getUserMedia({ audio: microphone() });
  sender.track.stop();
  await sender.replaceTrack(stream.getAudioTracks()[0]);
}

// Quality: what was lost and how unevenly it came in the last two seconds, and what the switch reports
// of the sound that it got

let before = { received: 0, lost: 0 };

async function measure(connection) {
  const reports = [...(await connection.getStats()).values()].filter((one) => one.kind === "audio");
  const inbound = reports.find((one) => one.type === "inbound-rtp");
  if (!inbound) return;
  const received = inbound.packetsReceived - before.received;
  const lost = Math.max(0, inbound.packetsLost - before.lost);
  before = { received: inbound.packetsReceived, lost: inbound.packetsLost };
  if (received <= 0) return;
  const remote = reports.find((one) => one.type === "remote-inbound-rtp");
  const share = Math.max(lost / (received + lost), remote?.fractionLost ?? 0);
  const jitter = Math.max(inbound.jitter ?? 0, remote?.jitter ?? 0);
  const word = share > 0.05 || jitter > 0.1 ? "poor" : share > 0.01 || jitter > 0.04 ? "fair" : "good";
  element("quality").textContent = words[word];
  element("quality").dataset.quality = word;
  show("quality", true);
}

// The page

element("start").addEventListener("click", start);
element("call").addEventListener("click", () => {
  const number = element("number").value.trim();
  if (number) agent.call(number, options());
});
element("accept").addEventListener("click", () => session?.answer(options()));
element("end").addEventListener("click", () => session?.terminate());
element("hold").addEventListener("click", holdOrResume);
element("mute").addEventListener("click", () => {
  if (session?.isMuted().audio) session.unmute({ audio: true });
  else session?.mute({ audio: true });
});
element("transfer").addEventListener("click", () => {
  const number = element("number").value.trim();
  if (number) session?.refer(number);
});
element("microphone").addEventListener("change", changeMicrophone);
element("speaker").addEventListener("change", () => {
  element("sound").setSinkId?.(element("speaker").value);
});
for (const button of root.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => press(button.dataset.key));
}
root.addEventListener("click", () => tones?.resume()); // silent until then, if the page began itself
window.addEventListener("pagehide", () => {
  if (session?.isEstablished()) keep();
  else agent?.stop();
});
continued = kept();
if (continued) {
  element("line").value = continued.line;
  start();
}
