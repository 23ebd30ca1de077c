// The second service, on a path of its own: the last messages as JSON.
import { createServer } from "node:http";
import { connect, read } from "./redis.js";

const redis = connect();
const http = createServer(async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (request.url === "/history/health") return answer(200, { ready: redis.isReady });
  if (request.method !== "GET" || request.url !== "/history") return answer(404, { error: "not found" });
  if (!redis.isReady) return answer(503, { error: "redis is away" });
  try {
    answer(200, await read(redis));
  } catch (error) {
    answer(503, { error: error.message });
  }
});
http.keepAliveTimeout = 75_000;
process.once("SIGTERM", () => {
  http.close(() => process.exit(0));
  http.closeIdleConnections();
});

http.listen(Number(process.env.PORT ?? "3000"), () => console.log("history listens"));
await redis.connect();
