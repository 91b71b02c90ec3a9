// Time as an injected object: what decides never reads the clock of the machine by itself.

/** Stops what it was returned for; calling it twice does nothing. */
export type Cancel = () => void;

/** The time, and a way to come back later. */
export type Clock = {
  /** Milliseconds since the Unix epoch, never going backwards. */
  readonly now: () => number;
  /** Calls back once, after so many milliseconds. */
  readonly after: (milliseconds: number, call: () => void) => Cancel;
};

/** The browser's clock: monotonic, yet comparable between pages of one machine. */
export const browserClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Calls back again and again, with a fixed pause between the calls. */
export function every(clock: Clock, milliseconds: number, call: () => void): Cancel {
  let stopped = false;
  let cancel: Cancel;
  const tick = (): void => {
    if (stopped) return;
    call();
    cancel = clock.after(milliseconds, tick);
  };
  cancel = clock.after(milliseconds, tick);
  return () => {
    stopped = true;
    cancel();
  };
}
