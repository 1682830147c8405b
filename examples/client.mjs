// Streams one answer: node examples/client.mjs "What is the capital of France?" (Node.js 18 or newer)

const base = process.env.CHAT_URL ?? "http://localhost:8000";
const key = process.env.CHAT_API_KEY;
const response = await fetch(`${base}/chat/stream`, {
  method: "POST",
  headers: { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) },
  body: JSON.stringify({ question: process.argv[2] }),
});
if (!response.ok) throw new Error((await response.json()).error.message);
let rest = "";
for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
  const frames = (rest + text).split("\n\n");
  rest = frames.pop();
  for (const frame of frames) {
    const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(frame) ?? [];
    if (event === "token") process.stdout.write(JSON.parse(data).text);
    if (event === "error") throw new Error(JSON.parse(data).message);
  }
}
console.log();
