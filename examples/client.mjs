// Streams one answer: node examples/client.mjs "What is the capital of France?" (Node.js 18 or newer)

const [question, ...more] = process.argv.slice(2);
const { CHAT_URL = "http://localhost:8000", CHAT_API_KEY: key, CHAT_SESSION: session } = process.env;
const url = `${CHAT_URL.replace(/\/$/, "")}/chat/stream`;

async function ask() {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      ...(key && { Authorization: `Bearer ${key}` }),
      ...(session && { "X-Session-ID": session }),
    },
    body: JSON.stringify({ question }),
  });
  if (!response.ok) return failed((await response.json()).error);
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + text).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(frame) ?? [];
      if (event === "token") process.stdout.write(JSON.parse(data).text);
      if (event === "restart") console.log("\n(interrupted; the answer starts again)");
      if (event === "done") console.log(JSON.parse(data).finish_reason === "length" ? "\n(cut at the length limit)" : "");
      if (event === "error") return console.log(), failed(JSON.parse(data));
    }
  }
}

function failed({ code, message, details = [] }) {
  fail([`${code}: ${message}`, ...details.map(({ field, reason }) => `  ${field}: ${reason}`)].join("\n"));
}

function fail(sentence) {
  console.error(sentence);
  process.exitCode = 1;
}

if (!question || more.length) fail('usage: node client.mjs "your question"');
else await ask().catch((error) => fail(`The connection to ${url} failed: ${error.cause?.message ?? error.message}`));
