// Runs in a page: publishes by WHIP and plays by WHEP as their RFCs tell, with nothing of the gateway's own client.

/** Publishes the tracks of a stream; `encodings` make a picture simulcast. */
export async function publish(endpoint, token, stream, encodings = []) {
  const connection = new RTCPeerConnection();
  for (const track of stream.getTracks()) {
    const sendEncodings = track.kind === "video" && encodings.length > 0 ? encodings : undefined;
    connection.addTransceiver(track, { direction: "sendonly", streams: [stream], ...(sendEncodings && { sendEncodings }) });
  }
  return await exchange(connection, endpoint, token);
}

/** Plays what there is: a sound and a picture. */
export async function play(endpoint, token) {
  const connection = new RTCPeerConnection();
  for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
  return await exchange(connection, endpoint, token);
}

async function exchange(connection, endpoint, token) {
  await connection.setLocalDescription(await connection.createOffer());
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/sdp" },
    body: connection.localDescription.sdp,
  });
  if (response.status !== 201) {
    connection.close();
    throw new Error(`${response.status}: ${await response.text()}`);
  }
  await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  const location = new URL(response.headers.get("location"), endpoint).href;
  return { connection, location, tag: response.headers.get("etag") };
}

/** Restarts ICE by a patch; the credentials of the gateway come back as a fragment. Tells whose credentials are checked then. */
export async function restart({ connection, location }, token) {
  await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
  const own = connection.localDescription.sdp.split("\r\n").filter((line) => /^a=ice-(ufrag|pwd):/.test(line));
  const response = await fetch(location, {
    method: "PATCH",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/trickle-ice-sdpfrag", "if-match": "*" },
    body: `${own.slice(0, 2).join("\r\n")}\r\n`,
  });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  const fragment = await response.text();
  const credential = (name) => fragment.match(new RegExp(`a=${name}:(.*)\r\n`))[1];
  const answer = connection.currentRemoteDescription.sdp
    .replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${credential("ice-ufrag")}`)
    .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${credential("ice-pwd")}`);
  await connection.setRemoteDescription({ type: "answer", sdp: answer });
  return own[0].slice("a=ice-ufrag:".length);
}

/** The user name fragment of the ICE session that media goes over. */
export async function iceSession({ connection }) {
  const transport = [...(await connection.getStats()).values()].find((one) => one.type === "transport");
  return transport?.iceState === "connected" ? transport.iceLocalUsernameFragment : null;
}

/** Ends what was published or played. */
export async function end({ connection, location }, token) {
  const response = await fetch(location, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  connection.close();
  return response.status;
}

/** What a connection has received: decoded frames and lines of the picture, and packets of the sound, which nobody listens to. */
export async function received({ connection }) {
  const stats = [...(await connection.getStats()).values()].filter((one) => one.type === "inbound-rtp");
  const of = (kind) => stats.find((one) => one.kind === kind);
  return {
    frames: of("video")?.framesDecoded ?? 0,
    lines: of("video")?.frameHeight ?? 0,
    voice: of("audio")?.packetsReceived ?? 0,
  };
}
