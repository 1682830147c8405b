// Notices a dead connection. The service sends something at least every 10 s, if only a comment.

const SILENCE_LIMIT_MS = 27_000;
const OFFLINE_LIMIT_MS = 3_000;
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** `signal` aborts when the reader stops the answer, or when nothing has arrived for too long. */
export function watchLine(stop, host = location.hostname) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  // Even without a network, a browser still reaches its own machine.
  const onOffline = () => LOOPBACK.test(host) || waitFor(OFFLINE_LIMIT_MS);
  let timer = setTimeout(abort, SILENCE_LIMIT_MS);

  function waitFor(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(abort, milliseconds);
  }

  stop.addEventListener("abort", abort);
  addEventListener("offline", onOffline);
  return {
    signal: controller.signal,
    stopped: () => stop.aborted,
    heard: () => waitFor(SILENCE_LIMIT_MS),
    leave() {
      clearTimeout(timer);
      stop.removeEventListener("abort", abort);
      removeEventListener("offline", onOffline);
    },
  };
}
