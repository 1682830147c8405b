// The API's description of a request: what there is to choose from, and how long a conversation may be.

const PATIENCE_MS = 3_000;

let request = {};
const described = describe();
described.then((schema) => (request = schema));

// without them the page asks the default model
export const requestFields = described.then(({ properties }) => properties ?? {});

/** No limits as long as the description has not been read. `bytes` is for the whole request. */
export function historyLimits() {
  const history = request.properties?.history;
  return {
    messages: history?.maxItems ?? Infinity,
    chars: history?.["x-max-total-chars"] ?? Infinity,
    bytes: request["x-max-bytes"] ?? Infinity,
  };
}

async function describe() {
  const { components } = await read("openapi.json");
  return components?.schemas.ChatRequest ?? {};
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
