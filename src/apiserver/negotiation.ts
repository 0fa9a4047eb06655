import { notAcceptable } from './errors.ts';

/** What form of an answer the client wants. */
export interface Accepted {
  readonly format: 'json' | 'yaml';
  /** `Table`, `PartialObjectMetadata`, `APIGroupDiscoveryList` …, or the object itself. */
  readonly as: string | undefined;
  readonly group: string;
  readonly version: string;
}

interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

const plainJson: Accepted = { format: 'json', as: undefined, group: '', version: '' };

/** Formats of an object, by media type. */
const formats: Readonly<Record<string, Accepted['format']>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  '*/*': 'json',
  'application/*': 'json',
};

/**
 * The first form of an `Accept` header that is offered.
 *
 * @param transforms Forms besides the object itself: `Table.v1.meta.k8s.io`
 * @throws StatusError 406
 */
export function negotiate(accept: string | undefined, transforms: readonly string[] = []): Accepted {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json') return plainJson;
  for (const range of parseAccept(accept)) {
    const format = formats[range.type];
    if (!format) continue;
    const as = range.parameters.get('as');
    if (as === undefined) return { ...plainJson, format };
    const [version = '', group = ''] = [range.parameters.get('v'), range.parameters.get('g')];
    if (format === 'json' && transforms.includes(`${as}.${version}.${group}`)) return { format, as, group, version };
  }
  throw notAcceptable(['application/json', 'application/yaml']);
}

function parseAccept(header: string): MediaRange[] {
  const ranges = header.split(',').map((part) => {
    const [type = '', ...rest] = part.split(';').map((piece) => piece.trim());
    const parameters = new Map(
      rest.map((piece) => {
        const [name = '', value = ''] = piece.split('=');
        return [name, value];
      }),
    );
    return { type: type.toLowerCase(), parameters, quality: Number(parameters.get('q') ?? 1) };
  });
  return ranges.sort((a, b) => b.quality - a.quality);
}

/** The media type of a `Content-Type` header without its parameters. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}
