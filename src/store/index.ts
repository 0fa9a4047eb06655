export { openMemoryStore } from './memory.ts';
export { openSqliteStore } from './sqlite.ts';
export * from './store.ts';
