"""Publishes by WHIP or plays by WHEP with aiortc, for a while, and tells as JSON what came of it.

    aiortc_client.py publish|play ENDPOINT TOKEN SECONDS
"""

import asyncio
import json
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack


def exchange(endpoint, token, offer):
    """The answer to an offer, and where the resource is."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    request = urllib.request.Request(endpoint, offer.encode(), headers, method="POST")
    with urllib.request.urlopen(request) as response:
        assert response.status == 201, response.status
        return response.read().decode(), urllib.parse.urljoin(endpoint, response.headers["Location"])


def delete(location, token):
    """The status of the end of a resource."""
    request = urllib.request.Request(location, headers={"Authorization": f"Bearer {token}"}, method="DELETE")
    with urllib.request.urlopen(request) as response:
        return response.status


async def count(track, received):
    """Counts what arrives of a track, decoded, until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        received[track.kind] += 1
        if track.kind == "video":
            received["lines"] = frame.height


async def main(part, endpoint, token, seconds):
    connection = RTCPeerConnection()
    received = {"audio": 0, "video": 0, "lines": 0}
    if part == "publish":
        connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
        connection.addTransceiver(VideoStreamTrack(), direction="sendonly")
    else:
        connection.addTransceiver("audio", direction="recvonly")
        connection.addTransceiver("video", direction="recvonly")
        connection.on("track", lambda track: asyncio.ensure_future(count(track, received)))
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    answer, location = await asyncio.to_thread(exchange, endpoint, token, offer)
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await asyncio.sleep(seconds)
    state = connection.connectionState
    status = await asyncio.to_thread(delete, location, token)
    await connection.close()
    print(json.dumps({"state": state, "deleted": status, "received": received}))


if __name__ == "__main__":
    part, endpoint, token, seconds = sys.argv[1:]
    asyncio.run(main(part, endpoint, token, float(seconds)))
