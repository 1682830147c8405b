// The API's description of a request: what there is to choose from, and how long a conversation may be.

const PATIENCE_MS = 3_000;

let history = {};
export const requestFields = describe();
requestFields.then((fields) => (history = fields.history ?? {}));

/** No limits as long as the description has not been read. */
export const historyLimits = () => ({
  messages: history.maxItems ?? Infinity,
  chars: history["x-max-total-chars"] ?? Infinity,
});

async function describe() {
  const { components } = await read("openapi.json");
  return components?.schemas.ChatRequest.properties ?? {}; // without it the page asks the default model
}

/** An empty object if there is no answer. */
export async function read(address, headers = {}) {
  try {
    const response = await fetch(address, { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
    return await response.json();
  } catch {
    return {};
  }
}
