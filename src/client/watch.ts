import type { KubeObject, Status } from '../api/types.ts';
import { ApiError, type TransportResponse, type WatchEvent } from './client.ts';

/** The lines of a body that may be cut anywhere, also within a character. Leaving the loop closes the connection. */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      if (end > start) yield rest.slice(start, end);
      start = end + 1;
    }
    rest = rest.slice(start);
  }
  if (rest.trim() !== '') yield rest;
}

type WireEvent<T> = WatchEvent<T> | { readonly type: 'ERROR'; readonly object: Status };

/** Events of a watch's answer; an `ERROR` event is thrown as {@link ApiError}. */
export async function* eventsOf<T extends KubeObject>(response: TransportResponse): AsyncGenerator<WatchEvent<T>> {
  for await (const line of linesOf(response.body)) {
    const event = JSON.parse(line) as WireEvent<T>;
    if (event.type === 'ERROR') throw new ApiError(event.object);
    yield event;
  }
}
