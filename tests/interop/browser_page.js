// A phone in a page, for tests: JsSIP as it is vendored, a tone for a microphone, an analyser for an
// ear. Everything is reached from outside as window.phone.
import { JsSIP } from "/jssip.min.js";

const context = new AudioContext();

function tone(hertz) {
  const oscillator = new OscillatorNode(context, { frequency: hertz });
  const out = context.createMediaStreamDestination();
  oscillator.connect(new GainNode(context, { gain: 0.3 })).connect(out);
  oscillator.start();
  return out.stream;
}

class Phone {
  constructor() {
    this.log = [];
    this.hertz = 440;
    this.fake = false; // the browser's own fake microphone; an AudioContext needs a device in some
    this.codecs = null;
    this.pcConfig = { iceServers: [] };
  }

  // Resolves once the line is registered.
  start(login, host, socketUri) {
    this.ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(socketUri)],
      uri: `sip:${login}@${host}`,
      password: "secret",
      register: true,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 1,
    });
    this.ua.on("newRTCSession", ({ session }) => this.take(session));
    for (const name of ["connected", "disconnected", "registered"]) {
      this.ua.on(name, () => this.log.push(name));
    }
    const registered = new Promise((resolve, reject) => {
      this.ua.on("registered", () => resolve("registered"));
      this.ua.on("registrationFailed", ({ cause }) => reject(new Error(cause)));
    });
    this.ua.start();
    return registered;
  }

  take(session) {
    this.session = session;
    this.ended = null;
    session.on("ended", ({ cause }) => { this.ended = cause; });
    session.on("failed", ({ cause, message }) => { this.ended = `${cause} ${message?.status_code}`; });
    session.on("sdp", (event) => {
      if (event.originator === "local" && this.codecs) event.sdp = only(event.sdp, this.codecs);
      if (event.originator === "remote" && this.tcpOnly) {
        event.sdp = event.sdp.replace(/^a=candidate:\S+ 1 udp .*\r\n/m, "");
      }
      this[`${event.originator}Sdp`] = event.sdp;
    });
    session.on("peerconnection", ({ peerconnection }) => this.hear(peerconnection));
    if (session.connection) this.hear(session.connection);
    if (session.direction === "incoming") {
      this.microphone().then((mediaStream) =>
        session.answer({ mediaStream, pcConfig: this.pcConfig }));
    }
  }

  async microphone() {
    return this.fake ? navigator.mediaDevices.getUserMedia({ audio: true }) : tone(this.hertz);
  }

  hear(connection) {
    this.connection = connection;
    connection.addEventListener("track", ({ track }) => {
      const stream = new MediaStream([track]);
      const player = new Audio();
      player.srcObject = stream;
      player.muted = true;
      player.play();
      this.analyser = new AnalyserNode(context, { fftSize: 32768, smoothingTimeConstant: 0 });
      context.createMediaStreamSource(stream).connect(this.analyser);
    });
  }

  // Resolves once the call is answered.
  async call(target, video = false) {
    const mediaStream = await this.microphone();
    if (video) {
      const canvas = document.createElement("canvas");
      canvas.getContext("2d");
      mediaStream.addTrack(canvas.captureStream().getVideoTracks()[0]);
    }
    return new Promise((resolve, reject) => {
      const session = this.ua.call(target, {
        mediaStream,
        pcConfig: this.pcConfig,
      });
      session.on("confirmed", () => resolve("confirmed"));
      session.on("failed", ({ cause, message }) => reject(new Error(`${cause} ${message?.status_code}`)));
    });
  }

  press(keys) {
    this.session.sendDTMF(keys, { transportType: JsSIP.C.DTMF_TRANSPORT.RFC2833, duration: 120 });
    return true;
  }

  // The loudest frequency that is heard, and its level in decibels of full scale.
  peak() {
    if (!this.analyser) return { hertz: 0, level: -200 };
    const bins = new Float32Array(this.analyser.frequencyBinCount);
    this.analyser.getFloatFrequencyData(bins);
    const at = bins.reduce((best, level, index) => (level > bins[best] ? index : best), 0);
    return { hertz: (at * context.sampleRate) / this.analyser.fftSize, level: bins[at] };
  }

  async packets() {
    const found = { sent: 0, received: 0, lost: 0, energy: 0, local: "", protocol: "", type: "" };
    const candidates = new Map();
    for (const report of (await this.connection.getStats()).values()) {
      if (report.type === "outbound-rtp") found.sent += report.packetsSent;
      if (report.type === "inbound-rtp") {
        found.received += report.packetsReceived;
        found.lost += report.packetsLost;
        found.energy += report.totalAudioEnergy ?? 0;
      }
      if (report.type === "local-candidate") candidates.set(report.id, report);
      if (report.type === "candidate-pair" && report.nominated) found.local = report.localCandidateId;
      if (report.type === "transport") found.srtp = report.srtpCipher;
    }
    found.protocol = candidates.get(found.local)?.protocol ?? "";
    found.type = candidates.get(found.local)?.candidateType ?? "";
    return found;
  }
}

function only(sdp, wanted) {
  return sdp.replace(/^(m=audio \d+ \S+) .*$/m, `$1 ${wanted.join(" ")}`);
}

window.phone = new Phone();
