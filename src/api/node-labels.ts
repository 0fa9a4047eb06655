/** On a node that only seems to be (`src/kubelet/hollow`): as a label, and as the key of its taint. */
export const hollowLabel = 'knit.dev/hollow';
