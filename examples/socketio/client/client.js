// The chat in a terminal: `node client.js URL [NAME [TRANSPORTS]]` says each line that it reads, and
// shows what happens as one JSON object a line. `TRANSPORTS` is `polling,websocket` unless told.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, name = "terminal", transports = "polling,websocket"] = process.argv.slice(2);
if (!url) {
  console.error("node client.js URL [NAME [TRANSPORTS]]");
  process.exit(2);
}
const seen = new Set();
let last;
let said = 0;
const show = (event, more) => console.log(JSON.stringify({ event, ...more }));

const socket = io(url, {
  auth: (tell) => tell({ last }),
  transports: transports.split(","),
  withCredentials: true, // keeps the balancer's cookie
  retries: 1_000,
  ackTimeout: 5_000,
});
socket.on("connect", () => {
  const { engine } = socket.io;
  show("connected", { transport: engine.transport.name });
  engine.on("upgrade", (transport) => show("upgraded", { transport: transport.name }));
});
socket.on("task", (task) => show("task", task));
socket.on("connect_error", (error) => show("failed", { reason: error.message }));
socket.on("disconnect", (reason) => show("disconnected", { reason }));
socket.on("message", (message) => {
  last = message.at;
  if (seen.has(message.id)) return;
  seen.add(message.id);
  show("message", message);
});

const lines = createInterface({ input: process.stdin });
const started = Date.now();
let unheard = 0;
let over = false;
const leave = () => { if (over && unheard === 0) socket.close(); };
lines.on("line", (text) => {
  const id = `${process.pid}-${started}-${++said}`;
  unheard += 1;
  socket.emit("say", { id, from: name, text }, () => {
    unheard -= 1;
    show("acknowledged", { text });
    leave();
  });
});
// Whoever is piped in is heard to the end, unless nobody listens.
lines.on("close", () => {
  over = true;
  leave();
  setTimeout(() => socket.close(), 10_000).unref();
});
