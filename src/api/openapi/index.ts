export { openapiV2 } from './v2.ts';
export { openapiV2Protobuf, openapiV2ProtobufType } from './v2-protobuf.ts';
export { type OpenApiDocument, openapiV3, openapiV3Index } from './v3.ts';
