import { readFileSync } from 'node:fs';
import { createLog } from '../base/log.ts';
import { createClient, createInformers, httpsTransport } from '../client/index.ts';
import type { AgentConfig } from './agent-config.ts';
