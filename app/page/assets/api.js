// The service's routes. A failure is an ApiError, whose message says what the service said, or what the page knows.

const PATIENCE_MS = 30_000;
const EXPLAIN_PATIENCE_MS = 180_000;

/**
 * `status` 0: no answer at all. `retryAfter`: seconds, from a 503 or 429. `field`: what of the
 * request was wrong, where it says so. `body`: the whole answer.
 */
export class ApiError extends Error {
  constructor(status, message, { field = null, retryAfter = null, body = null } = {}) {
    super(message);
    this.status = status;
    this.field = field;
    this.retryAfter = retryAfter;
    this.body = body;
  }
}

async function call(path, { method = "GET", json, form, signal, keepalive = false, patience = PATIENCE_MS } = {}) {
  const limit = AbortSignal.timeout(patience);
  let response;
  try {
    response = await fetch(path, {
      method,
      keepalive,
      headers: { accept: "application/json", ...(json && { "content-type": "application/json" }) },
      body: json ? JSON.stringify(json) : form,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.aborted) throw new ApiError(0, `No answer came within ${patience / 1000} seconds.`);
    throw new ApiError(0, navigator.onLine ? "The service cannot be reached." : "This device is offline.");
  }
  let text;
  try {
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The answer was cut off.");
  }
  let body = null;
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    // A proxy's page, say: the status tells enough.
  }
  if (response.ok && body !== null) return body;
  const field = body?.field ?? null;
  const said = body?.error ?? `The service answered ${response.status} ${response.statusText}.`;
  throw new ApiError(response.status, field && said.startsWith(`${field}: `) ? said.slice(field.length + 2) : said, {
    field,
    body,
    retryAfter: seconds(response.headers.get("retry-after")),
  });
}

/** Retry-After as seconds; it may also be a date. */
function seconds(header) {
  if (header === null) return null;
  const value = /^\d+$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1000);
  return Number.isFinite(value) ? Math.min(300, Math.max(0, value)) : null;
}

function upload(poster, options) {
  const form = new FormData();
  form.append("poster", poster, poster.name || "poster");
  form.append("options", JSON.stringify(options));
  return form;
}

export const predict = (body, poster, signal) =>
  call("/predict", { method: "POST", signal, ...(poster ? { form: upload(poster, body) } : { json: body }) });

export const explainPlot = (body, signal) => call("/explain", { method: "POST", json: body, signal });

export const explainPoster = (poster, options, signal) =>
  call("/explain", { method: "POST", form: upload(poster, options), signal, patience: EXPLAIN_PATIENCE_MS });

export const search = (text, signal) => call(`/search?q=${encodeURIComponent(text)}&limit=8`, { signal });

export const film = (id, signal) => call(`/films/${encodeURIComponent(id)}`, { signal });

export const films = (offset, limit, signal) => call(`/films?sort=title&offset=${offset}&limit=${limit}`, { signal });

export const facets = () => call("/facets");

export const feedback = (body) => call("/feedback", { method: "POST", json: body, keepalive: true });
