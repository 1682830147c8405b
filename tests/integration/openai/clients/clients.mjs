// Each line of stdin is a call: {client, url, key, model, messages, streams, headers, retries, leaveAfter, timeout}.
// Each line of stdout is its outcome: {text, finish, usage, error: {kind, message, status, code, requestId}}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.argv[2]}/`);
const { OpenAI } = require('openai');
const { generateText, streamText } = require('ai');
const { createOpenAI } = require('@ai-sdk/openai');
const { createOpenAICompatible } = require('@ai-sdk/openai-compatible');

async function openaiNode(call, outcome) {
  const client = new OpenAI({
    baseURL: call.url,
    apiKey: call.key,
    maxRetries: call.retries,
    timeout: call.timeout,
    defaultHeaders: call.headers,
  });
  const asked = { model: call.model, messages: call.messages };
  if (!call.streams) {
    const data = await client.chat.completions.create(asked);
    outcome.text = data.choices[0].message.content;
    outcome.finish = data.choices[0].finish_reason;
    outcome.usage = data.usage.total_tokens;
    return;
  }
  const stream = await client.chat.completions.create({
    ...asked,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    outcome.text += chunk.choices[0]?.delta.content ?? '';
    outcome.finish = chunk.choices[0]?.finish_reason ?? outcome.finish;
    outcome.usage = chunk.usage?.total_tokens ?? outcome.usage;
    if (call.leaveAfter && outcome.text.length >= call.leaveAfter) stream.controller.abort();
  }
}

// its helper, which puts the chunks together itself
async function openaiNodeRunner(call, outcome) {
  const client = new OpenAI({ baseURL: call.url, apiKey: call.key, maxRetries: call.retries });
  const run = client.chat.completions.stream({ model: call.model, messages: call.messages });
  run.on('content', (delta) => (outcome.text += delta));
  const whole = await run.finalChatCompletion();
  outcome.finish = whole.choices[0].finish_reason;
}

const compatible = (call) =>
  createOpenAICompatible({
    name: 'chat',
    baseURL: call.url,
    apiKey: call.key,
    headers: call.headers,
    includeUsage: true,
  })(call.model);

const official = (call) =>
  createOpenAI({ baseURL: call.url, apiKey: call.key, headers: call.headers }).chat(call.model);

const aiSdk = (model) => async (call, outcome) => {
  const leaving = new AbortController();
  const asked = {
    model: model(call),
    messages: call.messages,
    maxRetries: call.retries,
    abortSignal: leaving.signal,
  };
  if (!call.streams) {
    const whole = await generateText(asked);
    outcome.text = whole.text;
    outcome.finish = whole.finishReason;
    outcome.usage = whole.usage.totalTokens;
    return;
  }
  for await (const part of streamText({ ...asked, onError() {} }).fullStream) {
    if (part.type === 'text-delta') outcome.text += part.text;
    if (part.type === 'finish') {
      outcome.finish = part.finishReason;
      outcome.usage = part.totalUsage.totalTokens;
    }
    if (part.type === 'error') throw part.error;
    if (part.type === 'abort') throw Object.assign(new Error('left'), { name: 'AbortError' });
    if (call.leaveAfter && outcome.text.length >= call.leaveAfter) leaving.abort();
  }
};

const CLIENTS = {
  'openai-node': openaiNode,
  'openai-node runner': openaiNodeRunner,
  '@ai-sdk/openai': aiSdk(official),
  '@ai-sdk/openai-compatible': aiSdk(compatible),
};

const described = (raised) => {
  // the AI SDK wraps the last of its attempts
  const error = raised.lastError ?? raised;
  const body = error.data?.error ?? error;
  return {
    kind: error.constructor?.name === 'Object' ? 'Object' : (error.constructor?.name ?? typeof error),
    status: error.status ?? error.statusCode ?? null,
    code: body.code ?? null,
    requestId: error.requestID ?? null,
    message: String(error.message ?? JSON.stringify(error)),
  };
};

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  const outcome = { text: '', finish: null, usage: null, error: null };
  try {
    await CLIENTS[call.client]({ retries: 0, headers: {}, timeout: 30000, ...call }, outcome);
  } catch (raised) {
    outcome.error = described(raised);
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
