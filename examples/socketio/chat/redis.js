// Where Redis is, and how messages lie in it: one stream, whose ids grow with time.
import { createClient } from "@redis/client";

export const MESSAGES = "messages";
export const KEPT = 1_000;
const ID = /^\d{1,16}-\d{1,16}$/;

// A client that connects again for ever: Redis may be found under another address by then.
export function connect() {
  const redis = createClient({
    url: process.env.REDIS_ENDPOINT ?? "redis://127.0.0.1:6379",
    pingInterval: 2_000,
    socket: {
      connectTimeout: 2_000,
      socketTimeout: 6_000, // a machine that is gone does not say so
      reconnectStrategy: (tries) => Math.min(100 * tries, 1_000),
    },
  });
  redis.on("error", (error) => console.error(`redis: ${error.message || error.code}`));
  return redis;
}

// The messages since ten seconds before `last`, as tasks may pass two of them on in another order;
// without it, the last fifty.
export async function read(redis, last) {
  const rows = ID.test(last)
    ? await redis.xRange(MESSAGES, `${Math.max(0, parseInt(last) - 10_000)}`, "+")
    : (await redis.xRevRange(MESSAGES, "+", "-", { COUNT: 50 })).reverse();
  return rows.map(({ id, message }) => ({ ...JSON.parse(message.json), at: id }));
}
