// Streams one answer: node examples/client.mjs "What is the capital of France?" (Node.js 18 or newer)

const [, , question] = process.argv;
const url = `${process.env.CHAT_URL ?? "http://localhost:8000"}/chat/stream`;
const key = process.env.CHAT_API_KEY;

async function ask() {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ question }),
  });
  if (!response.ok) return fail((await response.json()).error.message);
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + text).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(frame) ?? [];
      if (event === "token") process.stdout.write(JSON.parse(data).text);
      if (event === "restart") console.log("\n(interrupted; the answer starts again)");
      if (event === "error") return fail(`\n${JSON.parse(data).message}`);
    }
  }
  console.log();
}

function fail(sentence) {
  console.error(sentence);
  process.exitCode = 1;
}

if (!question) fail('usage: node client.mjs "your question"');
else await ask().catch((error) => fail(`The connection to ${url} failed: ${error.cause?.message ?? error.message}`));
