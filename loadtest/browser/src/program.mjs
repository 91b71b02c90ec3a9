// A program under test as a child process: its output is kept, waited for, and shown when something goes wrong.

import { spawn } from "node:child_process";
import { once } from "node:events";

/** Lines kept of a program's output; more than that has scrolled by. */
const MAX_LINES = 50_000;

export class Program {
  #child;
  #lines = [];
  #watchers = new Set();

  /** Starts a program; `namespace` names the network namespace that it runs in. */
  constructor(name, command, args, { namespace = null, env = {}, cwd = undefined } = {}) {
    this.name = name;
    const [file, ...rest] = namespace === null ? [command, ...args] : ["ip", "netns", "exec", namespace, command, ...args];
    this.#child = spawn(file, rest, { cwd, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#read(stream);
    this.exited = once(this.#child, "exit");
    this.exited.then(([code, signal]) => this.#take(`(${name} ended: ${signal ?? code})`));
  }

  get pid() {
    return this.#child.pid;
  }

  get output() {
    return this.#lines.join("\n");
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #read(stream) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      lines.forEach((line) => this.#take(line));
    });
  }

  #take(line) {
    this.#lines.push(line);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
    for (const watch of [...this.#watchers]) watch(line);
  }

  /** The next line that matches, or one that is there already where `fromStart` says so. */
  async line(pattern, { seconds = 20, fromStart = false } = {}) {
    const known = fromStart ? this.#lines.map((line) => line.match(pattern)).find(Boolean) : undefined;
    if (known) return known;
    return await new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
        settle(value);
      };
      const watch = (line) => {
        const match = line.match(pattern);
        if (match) done(resolve, match);
        else if (!this.isRunning) done(reject, new Error(`${this.name} ended\n${this.output}`));
      };
      const timer = setTimeout(() => done(reject, new Error(`${this.name}: no ${pattern} within ${seconds} s\n${this.output}`)), seconds * 1_000);
      this.#watchers.add(watch);
    });
  }

  write(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Asks it to end, and insists after a while. */
  async stop({ seconds = 8 } = {}) {
    if (!this.isRunning) return;
    this.#child.kill("SIGTERM");
    const insist = setTimeout(() => this.#child.kill("SIGKILL"), seconds * 1_000);
    await this.exited;
    clearTimeout(insist);
  }

  kill(signal) {
    this.#child.kill(signal);
  }
}
