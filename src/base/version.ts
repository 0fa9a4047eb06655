/** Of knit itself. */
export const knitVersion = '0.1.0';
