import { journeys } from './support/journeys.ts';

journeys('nftables');
