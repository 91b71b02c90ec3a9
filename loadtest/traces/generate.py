#!/usr/bin/env python3
"""Writes the synthetic traces beside it; a fixed seed makes every run write the same bytes."""
import math
import pathlib
import random

HERE = pathlib.Path(__file__).parent


def walk(rng, low, high, start, step):
    """A random walk in the logarithm of the rate, drawn back to its start and held between low and high."""
    rate = start
    while True:
        rate = min(high, max(low, rate * math.exp(rng.gauss(0, step)) * (start / rate) ** 0.1))
        yield round(rate)


def write(name, step_ms, rows):
    lines = ["time_ms,kbps,class"]
    lines += [f"{index * step_ms},{kbps},{radio}" for index, (kbps, radio) in enumerate(rows)]
    (HERE / name).write_text("\n".join(lines) + "\n")


def drive_5g(rng):
    fast, fair, slow = walk(rng, 8000, 90000, 40000, 0.35), walk(rng, 1500, 20000, 8000, 0.3), walk(rng, 150, 3000, 900, 0.4)
    for second in range(240):
        if 90 <= second < 130 or 200 <= second < 215:
            yield (0 if second == 90 else next(fair)), "4g"
        elif 130 <= second < 150:
            yield (0 if second in (130, 131, 149) else next(slow)), "3g"
        else:
            # A beam is lost now and then: one second at a small share of the rate.
            rate = next(fast)
            yield (rate // 12 if rng.random() < 0.06 else rate), "5g"


def drive_4g(rng):
    rates = walk(rng, 600, 18000, 7000, 0.22)
    for second in range(180):
        yield (next(rates) if second not in (77, 78, 141) else 0), "4g"


def drive_3g(rng):
    rates = walk(rng, 120, 3600, 1100, 0.25)
    for slot in range(600):
        # The scheduler serves in whole transport blocks, and a handover stops everything for a second or so.
        rate = next(rates) // 120 * 120
        yield (0 if 220 <= slot < 232 or 431 <= slot < 439 or rng.random() < 0.03 else rate), "3g"


def office_wifi(rng):
    rates = walk(rng, 12000, 60000, 32000, 0.15)
    for _ in range(180):
        rate = next(rates)
        yield (rate // rng.randint(4, 20) if rng.random() < 0.08 else rate), "wifi"


def static_5g_good(rng):
    rates = walk(rng, 15000, 120000, 60000, 0.2)
    for second in range(180):
        # The user plane pauses now and then, also at a desk.
        yield (next(rates) // 8 if rng.random() < 0.01 else next(rates)), "5g"


def static_5g_variable(rng):
    rates = walk(rng, 1200, 60000, 9000, 0.45)
    for second in range(240):
        # The cell is shared: for some seconds at a time others take most of it.
        busy = 60 <= second < 68 or 150 <= second < 155 or rng.random() < 0.04
        yield (max(700, next(rates) // 6) if busy else next(rates)), "5g"


def mmwave_uplink(rng):
    rates = walk(rng, 200, 40000, 9000, 0.3)
    fade, fallback = 0, 0
    for slot in range(1200):
        if fade == 0 and rng.random() < 0.012:
            # Somebody steps into the beam: between half a second and three seconds near nothing.
            fade = rng.randint(5, 30)
        fade = max(0, fade - 1)
        # A long blockage falls back to 4G until the beam is found again.
        fallback = 25 if fade == 1 and rng.random() < 0.4 else max(0, fallback - 1)
        rate = next(rates)
        yield (rate // 30 if fade else min(rate, 6000) if fallback else rate), ("4g" if fallback and not fade else "5g")


def blackout(rng):
    rates = walk(rng, 4000, 16000, 8000, 0.1)
    for second in range(90):
        dark = 20 <= second < 22 or 40 <= second < 45 or 65 <= second < 75
        yield (0 if dark else next(rates)), "4g"


write("drive_5g.csv", 1000, drive_5g(random.Random(5)))
write("drive_4g.csv", 1000, drive_4g(random.Random(4)))
write("drive_3g.csv", 100, drive_3g(random.Random(3)))
write("office_wifi.csv", 1000, office_wifi(random.Random(2)))
write("blackout.csv", 1000, blackout(random.Random(1)))
write("static_5g_good.csv", 1000, static_5g_good(random.Random(6)))
write("static_5g_variable.csv", 1000, static_5g_variable(random.Random(7)))
write("mmwave_uplink.csv", 100, mmwave_uplink(random.Random(8)))
