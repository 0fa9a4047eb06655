import type { Column } from '../kind.ts';
import type { KubeObject } from '../types.ts';
import { ageOf } from './duration.ts';

type Cell<T> = Column<T>['cell'];

/** A column of text. `cell` is a plain function of the object and the time. */
export function text<T>(name: string, cell: Cell<T>, description = ''): Column<T> {
  return { name, type: 'string', description, priority: 0, cell };
}

/** A column of whole numbers. */
export function integer<T>(name: string, cell: Cell<T>, description = ''): Column<T> {
  return { name, type: 'integer', description, priority: 0, cell };
}

/** A column of yes and no. */
export function boolean<T>(name: string, cell: Cell<T>, description = ''): Column<T> {
  return { name, type: 'boolean', description, priority: 0, cell };
}

/** The same column, shown with `-o wide` only. */
export function wide<T>(column: Column<T>): Column<T> {
  return { ...column, priority: 1 };
}

export const nameColumn: Column<KubeObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace.',
  priority: 0,
  cell: (object) => object.metadata?.name ?? '',
};

export const ageColumn: Column<KubeObject> = text(
  'Age',
  (object, now) => ageOf(object.metadata?.creationTimestamp, now),
  'Time since the object was created.',
);

/** What Kubernetes shows in place of the age where it knows no columns of a kind's own. */
export const createdColumn: Column<KubeObject> = {
  name: 'Created At',
  type: 'date',
  description: 'When the object was created.',
  priority: 0,
  cell: (object) => object.metadata?.creationTimestamp ?? '',
};
