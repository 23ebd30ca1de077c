// The chat: every task of the service runs this. Redis carries messages from task to task and keeps
// the last ones, so that whoever connects anew, here or at another task, is told what was missed.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";
import { connect, KEPT, MESSAGES, read } from "./redis.js";

const { PORT = "3000", RELEASE = "1" } = process.env;
const LONGEST = 1_000; // characters of a name or a message
const page = readFileSync(new URL("index.html", import.meta.url));
const task = await whoAmI();

const http = createServer((request, response) => {
  const found = ["GET", "HEAD"].includes(request.method) && request.url.split("?")[0] === "/";
  response.writeHead(found ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
  response.end(found ? page : "not found\n");
});
// Longer than the balancer keeps an idle connection, so that it is never the task that hangs up first.
http.keepAliveTimeout = 75_000;

const redis = connect();
const subscriber = redis.duplicate();
subscriber.on("error", () => {}); // the same is said of the other connection
// Until when it was certain that this task hears Redis, and since when it may have missed something:
// Redis was away, or the task itself had no time of the processor.
let heard = Date.now();
let missed;
subscriber.on("ping-interval", () => { heard = Date.now(); });
subscriber.on("ready", () => {
  missed ??= heard;
  catchUp();
});
redis.on("ready", catchUp);
// What the adapter was publishing when Redis went.
process.on("unhandledRejection", (error) => console.error(`not passed on: ${error.message}`));
const io = new Server(http, { adapter: createAdapter(redis, subscriber) });

io.on("connection", async (socket) => {
  socket.emit("task", task);
  // Acknowledged is what Redis has. A client that hears nothing says it again, to whichever task it
  // has by then; `id` is the client's, so that nobody shows a message twice.
  socket.on("say", async ({ id, from, text } = {}, acknowledge) => {
    if (![id, from, text].every((it) => typeof it === "string" && it.length <= LONGEST)) return;
    const message = { id, from, text, task: task.id };
    try {
      message.at = await redis.xAdd(MESSAGES, "*", { json: JSON.stringify(message) }, {
        TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: KEPT },
      });
    } catch (error) {
      console.error(`not kept: ${error.message}`);
      return;
    }
    io.emit("message", message);
    if (typeof acknowledge === "function") acknowledge();
  });
  await tell(socket);
});

// What was said since the last message that this client has seen. What Redis did not answer is told
// once it answers again.
async function tell(socket) {
  try {
    for (const message of await read(redis, socket.handshake.auth.last)) socket.emit("message", message);
    socket.data.told = true;
  } catch (error) {
    console.error(`no history: ${error.message}`);
  }
}

// What this task's clients have not heard. Who has seen it does not show it again.
async function catchUp() {
  if (!redis.isReady || !subscriber.isReady) return;
  for (const socket of io.sockets.sockets.values()) if (!socket.data.told) await tell(socket);
  if (missed === undefined) return;
  try {
    for (const message of await read(redis, `${missed}-0`)) io.local.emit("message", message);
    missed = undefined;
  } catch (error) {
    console.error(`not caught up: ${error.message}`);
  }
}

// The balancer sends nobody new by now. Who is still here is let go, and connects to another task.
process.once("SIGTERM", async () => {
  console.log(`going, with ${io.engine.clientsCount} clients`);
  setTimeout(() => process.exit(0), 5_000); // whatever Redis or a client makes it wait for
  await io.close();
  process.exit(0);
});

// The page and the health check answer while Redis is away; messages wait for it.
http.listen(Number(PORT), () => console.log(`release ${RELEASE} of task ${task.id} listens on ${PORT}`));
await Promise.all([redis.connect(), subscriber.connect()]);

// The task as its metadata endpoint describes it; on a developer's own machine there is none.
async function whoAmI() {
  const endpoint = process.env.ECS_CONTAINER_METADATA_URI_V4;
  if (!endpoint) return { id: `process-${process.pid}`, zone: "here", release: RELEASE };
  for (;;) {
    try {
      const { TaskARN, AvailabilityZone } = await (await fetch(`${endpoint}/task`)).json();
      return { id: TaskARN.split("/").at(-1).slice(0, 8), zone: AvailabilityZone, release: RELEASE };
    } catch (error) {
      // An agent that starts again answers in a moment. No target is healthy before that.
      console.error(`who am I? ${error.cause?.message ?? error.message}`);
      await new Promise((then) => setTimeout(then, 200));
    }
  }
}
