import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultsDocument } from '../src/trace/explain/document.ts';

/** Writes docs/faults.md from the catalogue. */
writeFileSync(join(import.meta.dirname, '../docs/faults.md'), faultsDocument());
