import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { describeStore } from './conformance.ts';
import { openMemoryStore } from './memory.ts';
import { openSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'knit-store-'));
let files = 0;
after(() => rm(folder, { recursive: true }));

describeStore('memory', async () => openMemoryStore());
describeStore('SQLite', () => openSqliteStore(join(folder, `${files++}.db`)));
