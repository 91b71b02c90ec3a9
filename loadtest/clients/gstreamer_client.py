"""Publishes by WHIP or plays by WHEP with GStreamer's webrtcbin, for a while, and tells as JSON what came of it.

    gstreamer_client.py publish|play ENDPOINT TOKEN SECONDS
"""

import json
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISH = """
    webrtcbin name=rtc bundle-policy=max-bundle
    videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1
        ! vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=500000
        ! rtpvp8pay picture-id-mode=15-bit ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! rtc.
    audiotestsrc is-live=true ! opusenc
        ! rtpopuspay ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! rtc.
"""

CAPS = {
    "audio": "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
    "video": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
}

DECODERS = {"audio": "rtpopusdepay ! opusdec", "video": "rtpvp8depay ! vp8dec"}


class Client:
    """One connection of webrtcbin, which answers from threads of its own."""

    def __init__(self, part, endpoint, token):
        self.endpoint, self.token = endpoint, token
        self.received = {"audio": 0, "video": 0}
        self.location = None
        self.loop = GLib.MainLoop()
        if part == "publish":
            self.pipeline = Gst.parse_launch(PUBLISH)
            self.rtc = self.pipeline.get_by_name("rtc")
        else:
            self.pipeline = Gst.Pipeline.new()
            self.rtc = Gst.ElementFactory.make("webrtcbin")
            self.rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipeline.add(self.rtc)
        self.negotiating = self.rtc.connect("on-negotiation-needed", lambda _: self.offer())
        self.rtc.connect("pad-added", self.receive)
        if part == "play":
            receiving = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            for caps in CAPS.values():
                self.rtc.emit("add-transceiver", receiving, Gst.Caps.from_string(caps))

    def offer(self):
        # Every further transceiver asks again; one offer covers all of them.
        self.rtc.disconnect(self.negotiating)

        def made(promise):
            # The offer lives only as long as the reply that it is a part of.
            reply = promise.get_reply()
            offer = reply.get_value("offer")
            self.rtc.emit("set-local-description", offer, Gst.Promise.new())
            GLib.idle_add(self.exchange, offer.sdp.as_text())

        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(made))

    def exchange(self, offer):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/sdp"}
        request = urllib.request.Request(self.endpoint, offer.encode(), headers, method="POST")
        with urllib.request.urlopen(request) as response:
            self.location = urllib.parse.urljoin(self.endpoint, response.headers["Location"])
            _, sdp = GstSdp.SDPMessage.new_from_text(response.read().decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.rtc.emit("set-remote-description", answer, Gst.Promise.new())
        return GLib.SOURCE_REMOVE

    def receive(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decoder = Gst.parse_bin_from_description(f"{DECODERS[kind]} ! fakesink name=sink signal-handoffs=true", True)
        decoder.get_by_name("sink").connect("handoff", lambda *_: self.count(kind))
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def count(self, kind):
        self.received[kind] += 1

    def run(self, seconds):
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(int(seconds * 1000), self.loop.quit)
        self.loop.run()
        state = self.rtc.get_property("connection-state").value_nick
        request = urllib.request.Request(
            self.location, headers={"Authorization": f"Bearer {self.token}"}, method="DELETE"
        )
        with urllib.request.urlopen(request) as response:
            status = response.status
        self.pipeline.set_state(Gst.State.NULL)
        print(json.dumps({"state": state, "deleted": status, "received": self.received}))


if __name__ == "__main__":
    Gst.init(None)
    part, endpoint, token, seconds = sys.argv[1:]
    Client(part, endpoint, token).run(float(seconds))
