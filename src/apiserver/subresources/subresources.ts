import { METRICS_GROUP } from '../../api/kinds/metrics.ts';
import { listComponents, readComponent } from '../component-statuses.ts';
import type { Handler } from '../registry/handlers.ts';
import type { KindRequest } from '../request.ts';
import { answerResourceMetrics } from '../resource-metrics.ts';
import { approveRequest } from './approval.ts';
import { evictPod } from './eviction.ts';
import { finalizeNamespace } from './finalize.ts';
import { bindPod } from './pods.ts';
import { reviewAccess, reviewRules, reviewSelf, reviewSelfAccess, reviewToken } from './reviews.ts';
import { answerScale } from './scale.ts';
import { requestToken } from './token.ts';

/** Requests that are more than reading and writing an object, by `VERB RESOURCE/SUBRESOURCE`. */
const handlers: Readonly<Record<string, Handler>> = {
  'list componentstatuses': listComponents,
  'get componentstatuses': readComponent,
  'create bindings': bindPod,
  'create pods/binding': bindPod,
  'create pods/eviction': evictPod,
  'create serviceaccounts/token': requestToken,
  'update namespaces/finalize': finalizeNamespace,
  'update certificatesigningrequests/approval': approveRequest,
  'create tokenreviews': reviewToken,
  'create selfsubjectreviews': reviewSelf,
  'create selfsubjectaccessreviews': reviewSelfAccess,
  'create selfsubjectrulesreviews': reviewRules,
  'create subjectaccessreviews': reviewAccess,
  'create localsubjectaccessreviews': reviewAccess,
};

/** The handler of what has one of its own; `undefined` where the generic one serves it. */
export function specialHandler({ target, info, kind }: KindRequest): Handler | undefined {
  if (kind.group === METRICS_GROUP) return answerResourceMetrics;
  if (target.subresource === 'scale') return answerScale;
  const below = target.subresource === '' ? '' : `/${target.subresource}`;
  return handlers[`${info.verb} ${target.plural}${below}`];
}
