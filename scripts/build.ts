import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** Builds what ships, into `dist/`: the programs, the schema of the API, the images. Does nothing twice. */
const project = join(import.meta.dirname, '..');
const dist = join(project, 'dist');

const programs = {
  knit: 'src/cli/main.ts',
  server: 'src/cluster/server.ts',
  agent: 'src/cluster/agent.ts',
  dns: 'src/dns/main.ts',
  index: 'src/index.ts',
  probe: 'src/trace/probe.ts',
  knock: 'src/trace/knock.ts',
};

/**
 * Takes Node's own modules as they are instead of importing them: an ESM import of `node:http` reads every lazy export
 * of it, which costs a program 10 ms and 2 MB at its start.
 */
const builtinModules: Plugin = {
  name: 'builtin-modules',
  setup(pluginBuild) {
    pluginBuild.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined,
    );
    pluginBuild.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
      loader: 'js',
    }));
  },
};

rmSync(join(dist, 'cache'), { recursive: true, force: true });
await build({
  entryPoints: programs,
  absWorkingDir: project,
  outdir: dist,
  bundle: true,
  splitting: false,
  // Names stay, so that stack traces can be read: reading source maps costs a program 80 ms at its start.
  minifyWhitespace: true,
  minifySyntax: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  loader: { '.proto': 'text' },
  // Libraries that are CommonJS call `require` for Node's own modules.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  plugins: [builtinModules],
  logLevel: 'warning',
});
writeFileSync(join(dist, 'package.json'), '{ "type": "module" }\n');

if (outdated('schema.json', ['scripts/schema.ts', 'src/api/data', 'package-lock.json'])) {
  execFileSync(process.execPath, [join(project, 'scripts/schema.ts')], { stdio: 'inherit' });
}
if (outdated('gateway-api', ['scripts/build.ts', 'src/edge/gateway/crds'])) {
  // JSON, so that nobody need load what reads YAML.
  const { parse } = await import('yaml');
  const crds = join(project, 'src/edge/gateway/crds');
  rmSync(join(dist, 'gateway-api'), { recursive: true, force: true });
  mkdirSync(join(dist, 'gateway-api'));
  for (const file of readdirSync(crds).filter((name) => name.endsWith('.yaml'))) {
    const definition = JSON.stringify(parse(readFileSync(join(crds, file), 'utf8')));
    writeFileSync(join(dist, 'gateway-api', file.replace(/yaml$/, 'json')), definition);
  }
}
if (outdated('images/lab.tar', ['scripts/images.ts', 'scripts/oci-archive.ts', 'images/lab'])) {
  const { buildImages } = await import('./images.ts');
  buildImages(join(dist, 'images'));
}

function outdated(target: string, sources: readonly string[]): boolean {
  const path = join(dist, target);
  return !existsSync(path) || sources.some((source) => newest(join(project, source)) > statSync(path).mtimeMs);
}

function newest(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(...readdirSync(path).map((name) => newest(join(path, name))));
}
