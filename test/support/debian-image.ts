import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeOciArchive } from '../../scripts/oci-archive.ts';

/** An image of real programs, made of Debian packages and what they depend on: no registry is asked. */
export interface DebianImage {
  /** `test.knit.dev/nginx:1` */
  readonly ref: string;
  readonly packages: readonly string[];
  /** Image configuration of OCI: `Entrypoint`, `Cmd`, `StopSignal`. */
  readonly config: Readonly<Record<string, unknown>>;
}

const cache = join(import.meta.dirname, '../../dist/test-images');

/** Where apt keeps its lists in a form that is read at once: machines made for containers tell it to keep none. */
const aptCaches = ['pkgcache', 'srcpkgcache'].flatMap((kind) => ['-o', `Dir::Cache::${kind}=${join(cache, kind)}`]);

/** In each image: a shell and the small tools, in one file. */
const always = ['busybox-static'];

/** What only the packages' installation scripts and services call, and what is large for nothing. */
const left = new Set(['adduser', 'debconf', 'dpkg', 'init-system-helpers', 'iproute2', 'lsb-base', 'perl', 'passwd']);

/** Writes the image's OCI archive, once for each state of Debian's archive, and returns its path. */
export function debianImage(image: DebianImage): string {
  mkdirSync(cache, { recursive: true });
  const packages = closure([...always, ...image.packages]);
  const versions = execFileSync('apt-cache', [...aptCaches, 'show', '--no-all-versions', ...packages], {
    encoding: 'utf8',
  });
  const identity = JSON.stringify([image, packages, versions.match(/^(Version|SHA256): .*$/gm)]);
  const name = image.ref.replaceAll(/[^\w.]+/g, '-');
  const archive = join(cache, `${name}-${createHash('sha256').update(identity).digest('hex').slice(0, 12)}.tar`);
  if (existsSync(archive)) return archive;
  const scratch = mkdtempSync(join(tmpdir(), 'knit-debian-'));
  try {
    const root = join(scratch, 'root');
    makeRoot(root);
    unpack(packages, join(scratch, 'packages'), root);
    const partial = `${archive}.${process.pid}`;
    writeOciArchive(partial, [
      {
        ref: image.ref,
        layers: [root],
        config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], ...image.config },
      },
    ]);
    renameSync(partial, archive);
    return archive;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The packages and all that they depend on; of alternatives the first. */
function closure(packages: readonly string[]): string[] {
  const kinds = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const text = execFileSync('apt-cache', [...aptCaches, 'depends', '--recurse', ...kinds, ...packages], {
    encoding: 'utf8',
  });
  const graph = parseDepends(text);
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name) || left.has(name)) return;
    found.add(name);
    for (const dependency of graph.get(name) ?? []) visit(dependency);
  };
  for (const name of packages) visit(name);
  return [...found].toSorted();
}

/**
 * What `apt-cache depends --recurse` prints: a package at the margin, below it `Depends: NAME`, with `|` before it
 * where the next line is an alternative; `<NAME>` is a virtual package, and the lines below it are who provides it.
 */
function parseDepends(text: string): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  let current: string[] = [];
  let alternative = false;
  let virtual = false;
  for (const line of text.split('\n')) {
    const [, bar, name = ''] = /^ ([ |])(?:Pre)?Depends: (\S+)$/.exec(line) ?? [];
    if (bar) {
      virtual = name.startsWith('<') && !alternative;
      if (!alternative && !virtual) current.push(name);
      alternative = bar === '|';
    } else if (virtual && /^ {4}\S/.test(line)) {
      current.push(line.trim());
      virtual = false;
    } else if (/^[a-z0-9]/.test(line)) {
      current = [];
      graph.set(line.trim(), current);
      virtual = false;
      alternative = false;
    }
  }
  return graph;
}

/** An empty root, laid out as Debian's: `/bin`, `/lib` and their like are in `/usr`. */
function makeRoot(root: string): void {
  const folders = ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'etc', 'proc', 'sys', 'dev', 'run', 'tmp', 'var/run'];
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  for (const link of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${link}`, join(root, link));
  writeFileSync(
    join(root, 'etc/passwd'),
    [
      'root:x:0:0:root:/root:/bin/sh',
      'www-data:x:33:33::/var/www:/bin/false',
      'nobody:x:65534:65534::/:/bin/false',
      '',
    ].join('\n'),
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n');
}

function unpack(packages: readonly string[], folder: string, root: string): void {
  mkdirSync(folder, { recursive: true });
  // As root apt drops to a user of its own, who may not write here.
  execFileSync('apt-get', [...aptCaches, '-o', 'APT::Sandbox::User=root', 'download', '-qq', ...packages], {
    cwd: folder,
  });
  const leave = ['./usr/share/doc', './usr/share/man', './usr/share/locale', './usr/share/info'].map(
    (path) => `--exclude='${path}'`,
  );
  for (const file of readdirSync(folder)) {
    const extract = `tar -x --keep-directory-symlink ${leave.join(' ')} -C '${root}'`;
    execFileSync('sh', ['-c', `dpkg-deb --fsys-tarfile '${join(folder, file)}' | ${extract}`]);
  }
}
