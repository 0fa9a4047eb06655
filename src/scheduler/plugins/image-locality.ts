import { maxScore, type ScorePlugin } from '../framework.ts';

const mega = 1024 * 1024;
const least = 23 * mega;
const mostPerContainer = 1000 * mega;

/** Prefers nodes that have the pod's images already, the more so the larger they are. */
export const imageLocality: ScorePlugin = {
  name: 'ImageLocality',
  weight: 1,
  score(pod, cluster) {
    const { containers = [], initContainers = [] } = pod.pod.spec ?? {};
    const images = [...initContainers, ...containers].map(({ image = '' }) => withTag(image));
    if (images.every((image) => cluster.nodesWithImage(image) === 0)) return undefined;
    const total = cluster.nodes.length;
    const most = mostPerContainer * images.length;
    return (node) => {
      let sum = 0;
      // An image that few nodes have weighs less, so that its pods do not heap up on them.
      for (const image of images)
        sum += Math.floor(((node.images.get(image) ?? 0) * cluster.nodesWithImage(image)) / total);
      const bounded = Math.min(Math.max(sum, least), most);
      return Math.floor((maxScore * (bounded - least)) / (most - least));
    };
  },
};

/** `nginx` is `nginx:latest`; a colon before the last slash is a registry's port. */
function withTag(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
