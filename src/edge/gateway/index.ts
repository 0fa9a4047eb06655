export { GatewayController } from './controller.ts';
