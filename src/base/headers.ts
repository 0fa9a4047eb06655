/** Bytes of a request's line and headers, as Go's servers take them: a command to run stands in its address. */
export const MAX_HEADER_BYTES = 2 ** 20;
