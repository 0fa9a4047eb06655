import type { FlowSchema } from '../../api/types.ts';
import { Coalesced } from '../../base/coalesced.ts';
import { objectKey } from '../cache/watch-cache.ts';
import type { Context } from '../context.ts';
import { StatusError } from '../errors.ts';
import { now, updateObject } from '../registry/write.ts';
import type { User } from '../request.ts';
import { flowSchemas, priorityLevels } from './resources.ts';

type Condition = NonNullable<NonNullable<FlowSchema['status']>['conditions']>[number];

const user: User = { name: 'system:apiserver', groups: ['system:masters'] };

/** The condition `Dangling`: whether the priority level of a FlowSchema is missing, so that it is asked for nothing. */
export function danglingCondition(level: string, exists: boolean): Condition {
  const about = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  return {
    type: 'Dangling',
    status: exists ? 'False' : 'True',
    reason: exists ? 'Found' : 'NotFound',
    message: `${about} ${exists ? 'and it exists' : 'but there is no such object'}`,
    lastTransitionTime: now(),
  };
}

/** Keeps the condition in every FlowSchema. */
export class DanglingConditions {
  readonly #context: Context;
  #unsubscribe: (() => void)[] = [];
  readonly #work = new Coalesced(async () => {
    const schemas = this.#context.cache.resource(flowSchemas).list();
    await Promise.all(schemas.map((object) => this.#tell(object.parse<FlowSchema>()))).catch((error: unknown) =>
      this.#context.log.warn('the condition of a FlowSchema cannot be written', { error }),
    );
  });

  constructor(context: Context) {
    this.#context = context;
  }

  start(): void {
    const { cache } = this.#context;
    this.#unsubscribe = [flowSchemas, priorityLevels].map((each) =>
      cache.resource(each).subscribe(() => this.#work.wake()),
    );
    this.#work.wake();
  }

  stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    return this.#work.idle();
  }

  async #tell({ metadata, spec, status }: FlowSchema): Promise<void> {
    const { cache, kinds } = this.#context;
    const kind = kinds.find(flowSchemas);
    const level = spec?.priorityLevelConfiguration.name ?? '';
    const exists = cache.resource(priorityLevels).get(objectKey(priorityLevels, '', level)) !== undefined;
    const wanted = danglingCondition(level, exists);
    const present = status?.conditions?.find(({ type }) => type === 'Dangling');
    if (!kind || (present?.status === wanted.status && present?.message === wanted.message)) return;
    const target = { kind, namespace: '', name: metadata?.name ?? '', subresource: 'status', user, dryRun: false };
    const change = (current: FlowSchema): FlowSchema => {
      const others = current.status?.conditions?.filter(({ type }) => type !== 'Dangling') ?? [];
      return { ...current, status: { ...current.status, conditions: [...others, wanted] } };
    };
    await updateObject(this.#context, target, change, { retry: true }).catch((error: unknown) => {
      if (!(error instanceof StatusError) || error.code !== 404) throw error;
    });
  }
}
