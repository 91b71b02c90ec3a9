// Runs inside a network namespace: passes the connections of a Unix socket on to a TCP port there, since the file
// system is the same in all namespaces and loopback is not.
//
//   node relay.mjs SOCKET PORT

import { connect, createServer } from "node:net";

const [socket, port] = process.argv.slice(2);

const server = createServer((near) => {
  const far = connect(Number(port), "127.0.0.1");
  for (const [one, other] of [[near, far], [far, near]]) {
    one.pipe(other);
    one.on("error", () => other.destroy());
  }
});
server.listen(socket, () => console.log("ready"));

// The script that started this goes, and so does this.
process.stdin.on("end", () => process.exit(0)).resume();
