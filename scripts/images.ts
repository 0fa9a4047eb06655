import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type ImageSource, writeOciArchive } from './oci-archive.ts';

const project = join(import.meta.dirname, '..');

/**
 * Builds the images that ship with knit: `base.tar`, which a node needs before its first pod, and `lab.tar`; and leaves
 * their static `busybox` beside them for tests. Needs Debian's packages, and no registry of images.
 */
export function buildImages(folder: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'knit-images-'));
  try {
    const base = join(scratch, 'base');
    const lab = join(scratch, 'lab');
    const busybox = staticBusybox(scratch);
    makeBase(base, busybox);
    makeLab(lab);
    const env = ['PATH=/usr/bin:/bin:/usr/sbin:/sbin'];
    const pause: ImageSource = {
      ref: 'knit.dev/pause:1',
      layers: [base],
      // SIGCHLD ignored: the kernel reaps whatever a shared process namespace leaves behind.
      config: { Env: env, Entrypoint: ['/bin/sh', '-c', "trap '' CHLD; exec sleep 2147483647"] },
    };
    const labImage: ImageSource = {
      ref: 'knit.dev/lab:1',
      layers: [base, lab],
      config: { Env: env, Cmd: ['/usr/bin/lab'], ExposedPorts: { '8080/tcp': {}, '9000/udp': {} } },
    };
    mkdirSync(folder, { recursive: true });
    copyFileSync(busybox, join(folder, 'busybox'));
    writeOciArchive(join(folder, 'base.tar'), [pause]);
    writeOciArchive(join(folder, 'lab.tar'), [labImage]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A root file system of busybox, laid out as Debian's (`/lib` is in `/usr`), with places to mount things at. */
function makeBase(root: string, busybox: string): void {
  for (const folder of [
    'usr/bin',
    'usr/sbin',
    'usr/lib',
    'usr/lib64',
    'etc',
    'tmp',
    'proc',
    'sys',
    'dev',
    'run',
    'var',
    'opt/knit',
  ]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const link of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${link}`, join(root, link));
  chmodSync(join(root, 'tmp'), 0o1777);
  copyFileSync(busybox, join(root, 'usr/bin/busybox'));
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets) {
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'usr/bin', applet));
  }
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  writeFileSync(join(root, 'usr/bin/node'), ''); // where DNS pods mount the machine's Node.js
}

function makeLab(root: string): void {
  const source = join(project, 'images', 'lab');
  for (const folder of ['usr/bin', 'www/cgi-bin']) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(join(source, 'index.cgi'), join(root, 'www/cgi-bin/index.cgi'));
  for (const name of ['lab', 'udp-echo']) copyFileSync(join(source, name), join(root, 'usr/bin', name));
  copyWithLibraries('/usr/bin/perl', root);
  for (const module of perlModules) copyInto(root, perlModule(module));
}

/** What `use Socket` needs. */
const perlModules = [
  'strict.pm',
  'warnings.pm',
  'warnings/register.pm',
  'Carp.pm',
  'overloading.pm',
  'Exporter.pm',
  'Exporter/Heavy.pm',
  'XSLoader.pm',
  'vars.pm',
  'Socket.pm',
  'Config.pm',
  'auto/Socket/Socket.so',
];

function perlModule(name: string): string {
  const folders = execFileSync('perl', ['-e', 'print join "\\n", @INC'], { encoding: 'utf8' }).split('\n');
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (!found) throw new Error(`perl's ${name} was not found: reinstall Debian's perl-base`);
  return found;
}

function copyWithLibraries(program: string, root: string): void {
  const listing = execFileSync('ldd', [program], { encoding: 'utf8' });
  const libraries = [...listing.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  for (const path of [program, ...libraries]) copyInto(root, path);
}

function copyInto(root: string, path: string): void {
  const target = join(root, path.startsWith('/usr/') ? path : `/usr${path}`);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(path, target);
}

/** Debian's static busybox, unpacked and not installed: it would replace the other `busybox` package. */
function staticBusybox(scratch: string): string {
  execFileSync('apt-get', ['-o', 'APT::Sandbox::User=root', '-q', 'download', 'busybox-static'], {
    cwd: scratch,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const archive = readdirSync(scratch).find((name) => basename(name).startsWith('busybox-static_'));
  if (!archive) throw new Error('apt-get download busybox-static brought nothing');
  execFileSync('dpkg-deb', ['-x', join(scratch, archive), join(scratch, 'busybox-static')]);
  // Since Debian 13 packages have nothing outside of /usr.
  const places = ['usr/bin', 'bin'].map((folder) => join(scratch, 'busybox-static', folder, 'busybox'));
  const found = places.find((place) => existsSync(place));
  if (!found) throw new Error(`busybox-static has no busybox in any of ${places.join(', ')}`);
  return found;
}
