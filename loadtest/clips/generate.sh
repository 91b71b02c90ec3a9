#!/bin/sh
# Makes the clips that synthetic participants send: two seconds of a moving test picture in VP8, a key frame first and
# none after it. Error resilience lets a clip be repeated from its second frame without breaking the decoder.
# Needs ffmpeg with libvpx. The clips are committed, so this runs only to change them.
set -eu
cd "$(dirname "$0")"
clip() { # NAME SIZE FRAMES-PER-SECOND BITRATE
  ffmpeg -loglevel error -y -f lavfi -i "testsrc2=size=$2:rate=$3:duration=2" -c:v libvpx -deadline realtime -cpu-used 8 \
    -b:v "$4" -minrate "$4" -maxrate "$4" -bufsize "$4" -g 1000 -auto-alt-ref 0 -lag-in-frames 0 -error-resilient 1 "$1.ivf"
}
clip 180p 320x180 15 100k
clip 360p 640x360 30 300k
clip 480p 854x480 30 600k
clip 720p 1280x720 30 1200k
