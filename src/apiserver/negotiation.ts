import { notAcceptable } from './errors.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

export type Format = 'json' | 'yaml' | 'protobuf';

/** What form of an answer the client wants. */
export interface Accepted {
  readonly format: Format;
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
const formats: Readonly<Record<string, Format>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  [PROTOBUF]: 'protobuf',
  '*/*': 'json',
  'application/*': 'json',
};

/**
 * The first form of an `Accept` header that is offered.
 *
 * @param transforms Forms besides the object itself: `Table.v1.meta.k8s.io`
 * @param inProtobuf Whether the object itself has a form in protobuf; its metadata always has
 * @throws StatusError 406
 */
export function negotiate(
  accept: string | undefined,
  transforms: readonly string[] = [],
  inProtobuf = false,
): Accepted {
  if (isPlain(accept)) return plainJson;
  for (const range of parseAccept(accept)) {
    const format = formats[range.type];
    if (!format) continue;
    const as = range.parameters.get('as');
    if (as === undefined) {
      if (format === 'protobuf' && !inProtobuf) continue;
      return { ...plainJson, format };
    }
    const [version = '', group = ''] = [range.parameters.get('v'), range.parameters.get('g')];
    if (!transforms.includes(`${as}.${version}.${group}`)) continue;
    const inProto = format === 'protobuf' && as.startsWith('Partial') && version === 'v1';
    if (format === 'json' || inProto) return { format, as, group, version };
  }
  throw notAcceptable(['application/json', 'application/yaml', PROTOBUF]);
}

/** The format of what nobody negotiated (a Status): JSON where nothing better is asked for. */
export function formatOf(accept: string | undefined): Format {
  if (isPlain(accept)) return 'json';
  const wanted = parseAccept(accept).find(({ type, parameters }) => type in formats && !parameters.has('as'));
  return formats[wanted?.type ?? ''] ?? 'json';
}

const isPlain = (accept: string | undefined): accept is undefined | '' | '*/*' | 'application/json' =>
  accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json';

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
  if (contentType === 'application/json') return contentType;
  return (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}
