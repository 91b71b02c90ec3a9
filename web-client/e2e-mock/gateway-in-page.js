// A gateway that lives in the page under test: its WebSocket is a fake, its media transport a real second
// peer connection, so that real frames flow. Injected before the page's own script; driven by `window.mockGateway`.

(() => {
  const story = window.mockStory;
  const ID = (n) => `0000000000000000000000000${n}`.slice(-26);
  let sequence = 0;
  let socket = null;
  let media = null;
  let reachable = true;
  let mediaIsDown = false;
  const requests = [];

  const people = story.people.map((person, index) => ({
    participant: {
      id: ID(index + 1),
      name: person.name,
      role: person.role,
      network_class: person.network,
      connected: person.connected ?? true,
    },
    camera: {
      id: `camera${index}`.padEnd(26, "0"),
      publisher: ID(index + 1),
      source: "camera",
      muted: person.camera === "off",
    },
    microphone: {
      id: `voice${index}`.padEnd(26, "0"),
      publisher: ID(index + 1),
      source: "microphone",
      muted: person.microphone === "off",
    },
    tint: person.tint ?? 170 + index * 37,
    pair: person.pair,
  }));

  const pairOf = ({ participant, camera, pair }) => ({
    track: camera.id,
    publisher: participant.id,
    publisher_class: participant.network_class,
    subscriber_class: story.ownClass,
    rung: "720p",
    rung_reason: "best",
    hd: "granted",
    ...pair,
  });

  function draw(tint, portrait) {
    const canvas = Object.assign(
      document.createElement("canvas"),
      portrait ? { width: 360, height: 640 } : { width: 1280, height: 720 },
    );
    const paint = canvas.getContext("2d");
    const { width: w, height: h } = canvas;
    let frame = 0;
    setInterval(() => {
      frame += 1;
      const back = paint.createLinearGradient(0, 0, w, h);
      back.addColorStop(0, `hsl(${tint} 28% 62%)`);
      back.addColorStop(1, `hsl(${tint + 30} 32% 34%)`);
      paint.fillStyle = back;
      paint.fillRect(0, 0, w, h);
      const x = w / 2 + Math.sin(frame / 20) * 8;
      paint.fillStyle = `hsl(${tint + 160} 24% 28%)`;
      paint.beginPath();
      paint.ellipse(x, h * 1.08, h * 0.46, h * 0.42, 0, 0, 7);
      paint.fill();
      paint.fillStyle = "#e3b594";
      paint.beginPath();
      paint.ellipse(x, h * 0.44, h * 0.15, h * 0.2, 0, 0, 7);
      paint.fill();
      paint.fillStyle = "#3a2a22";
      paint.beginPath();
      paint.ellipse(x, h * 0.33, h * 0.16, h * 0.14, 0, Math.PI, 2 * Math.PI);
      paint.fill();
    }, 66);
    return canvas.captureStream(15).getVideoTracks()[0];
  }

  function voice() {
    const audio = new AudioContext();
    return audio.createMediaStreamDestination().stream.getAudioTracks()[0];
  }

  async function answer(offer) {
    media ??= new RTCPeerConnection();
    await media.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    for (const { mid, track } of offer.subscriptions) {
      const transceiver = media.getTransceivers().find((other) => other.mid === mid);
      if (transceiver.sender.track !== null) continue;
      const person = people.find(({ camera, microphone }) => camera.id === track || microphone.id === track);
      transceiver.direction = "sendonly";
      await transceiver.sender.replaceTrack(track === person.camera.id ? draw(person.tint, story.portrait) : voice());
    }
    await media.setLocalDescription(await media.createAnswer());
    if (media.iceGatheringState !== "complete") {
      await new Promise((resolve) => {
        media.onicegatheringstatechange = () => media.iceGatheringState === "complete" && resolve();
      });
    }
    const sdp = media.localDescription.sdp
      .split(/(?=^m=)/m)
      .map((section) => {
        const mid = /a=mid:(\S+)/.exec(section)?.[1];
        const isCamera = offer.tracks.some((track) => track.mid === mid && track.source === "camera");
        return isCamera && !section.includes("a=simulcast")
          ? `${section}a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m;h\r\n`
          : section;
      })
      .join("");
    return {
      type: "answer",
      sdp,
      tracks: offer.tracks.map(({ mid }) => ({ mid, track: `own${mid}`.padEnd(26, "0") })),
    };
  }

  const NEEDS = { "180p": 150_000, "360p": 400_000, "480p": 750_000, "720p": 1_700_000 };

  /** What the gateway would say of the first person's picture. */
  function decisions() {
    const me = ID(99);
    const network = (participant, role, networkClass, tier, confidence) => ({
      participant,
      role,
      lost: false,
      network: {
        class: networkClass,
        for_ms: 61_000,
        confidence_percent: confidence,
        proven: tier > 1,
        contradicted: false,
        evidence: [
          { from: tier === 3 ? "site" : "stun", class: networkClass, tier, ago_ms: 900 },
          { from: "network_information", class: networkClass, tier: 1, ago_ms: 4_200 },
        ],
      },
      downlink: { state: "steady", audio_bps: 40_000, spent_bps: story.why.price, ...story.why.downlink },
      uplink: { arriving_bps: 860_000, carries_bps: null, encoder: "none", ...story.why.uplink },
    });
    const [first] = people;
    return {
      participants: [
        network(first.participant.id, first.participant.role, first.participant.network_class, 2, 88),
        network(me, story.role, story.ownClass, 3, 95),
      ],
      pairs: [
        {
          track: first.camera.id,
          source: "camera",
          publisher: first.participant.id,
          subscriber: me,
          gets: {
            rung: first.pair.rung,
            lines: Number.parseInt(first.pair.rung, 10) || 0,
            frame_rate: 30,
            temporal_layer: 2,
            price_bps: story.why.price,
          },
          allows: story.why.allows,
          next: story.why.next,
          reason: first.pair.rung_reason,
          for_ms: 58_000,
          hd: first.pair.hd,
          hd_for_ms: 61_000,
        },
        {
          track: "own1".padEnd(26, "0"),
          source: "camera",
          publisher: me,
          subscriber: first.participant.id,
          gets: { rung: "480p", lines: 480, frame_rate: 30, temporal_layer: 2, price_bps: NEEDS["480p"] },
          allows: {
            classes: "480p",
            permission: "480p",
            tile: "720p",
            publisher: "720p",
            downlink: "480p",
            codec: "720p",
          },
          next: null,
          reason: "class",
          for_ms: 60_000,
          hd: "subscriber_class",
          hd_for_ms: 61_000,
        },
      ],
      changes: [
        {
          ago_ms: 190_000,
          what: "rung",
          publisher: first.participant.id,
          subscriber: me,
          track: first.camera.id,
          from: "480p",
          to: "720p",
          cause: "policy",
        },
        { ago_ms: 61_000, what: "network_class", participant: first.participant.id, from: "5g", to: "4g" },
        {
          ago_ms: 61_000,
          what: "hd",
          publisher: first.participant.id,
          subscriber: me,
          permitted: false,
          reason: "publisher_class",
        },
        {
          ago_ms: 58_000,
          what: "rung",
          publisher: first.participant.id,
          subscriber: me,
          track: first.camera.id,
          from: "720p",
          to: first.pair.rung,
          cause: "policy",
        },
        { ago_ms: 12_000, what: "uplink", publisher: me, track: "own", sends: ["180p", "480p"], cause: "downlink" },
      ],
      forgotten_changes: 0,
    };
  }

  const CODECS = ["vp8", "h264", "vp9", "av1"];

  const snapshotOf = () => ({
    participants: people.map(({ participant }) => participant),
    unlisted_viewers: story.unlistedViewers ?? 0,
    tracks: people.flatMap(({ camera, microphone, participant }) =>
      participant.camera === "none" ? [microphone] : [camera, microphone],
    ),
  });

  async function respond(request) {
    switch (request.type) {
      case "hello":
        if (story.refuse) return { type: "error", code: story.refuse, message: "refused by the story" };
        return {
          type: "welcome",
          version: 1,
          session: ID(90),
          resume_secret: "secret",
          resumed: request.resume !== null,
          consult: ID(91),
          subject: story.subject,
          participant: ID(99),
          role: story.role,
          hd_mode: "equivalent",
          video_codecs: CODECS,
          ice_servers: [],
        };
      case "join":
        return { type: "joined", ...snapshotOf(), video_codecs: CODECS };
      case "offer":
        if (mediaIsDown) return { type: "error", code: "media_unavailable", message: "stopped by the story" };
        return answer(request);
      case "ping":
        return { type: "pong" };
      case "leave":
        return { type: "bye" };
      default:
        return { type: "ok" };
    }
  }

  class FakeSocket extends EventTarget {
    static OPEN = 1;
    readyState = 0;
    constructor() {
      super();
      socket = this;
      setTimeout(() => {
        if (!reachable) return this.end();
        this.readyState = 1;
        this.onopen?.({});
      }, 20);
    }
    async send(text) {
      const request = JSON.parse(text);
      requests.push(request);
      const response = await respond(request);
      if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify({ id: request.id, ...response }) });
      if (request.type === "offer") window.mockGateway.quality();
      if (request.type === "watch_decisions" && request.watch)
        window.mockGateway.event({ type: "decisions", ...decisions() });
    }
    close() {
      this.readyState = 3;
    }
    end() {
      this.readyState = 3;
      this.onclose?.({});
    }
  }
  window.WebSocket = FakeSocket;

  window.mockGateway = {
    requests,
    event: (event) => socket?.onmessage?.({ data: JSON.stringify({ sequence: ++sequence, ...event }) }),
    quality() {
      this.event({ type: "network_class", class: story.ownClass });
      this.event({ type: "quality", pairs: people.filter(({ camera }) => !camera.muted).map(pairOf) });
      if (story.speaker !== undefined)
        this.event({ type: "active_speaker", participant: people[story.speaker].participant.id });
    },
    cut() {
      reachable = false;
      socket?.end();
    },
    stopMedia() {
      mediaIsDown = true;
      media?.close();
    },
  };
})();
