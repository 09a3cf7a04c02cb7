// Which classes travel as records: a constructor has a name that is the same in every process of the session.

export type ClassConstructor = abstract new (...args: never[]) => object;

export interface ClassRegistry {
  /** The travelling name of a constructor, undefined when the class did not travel with the plan. */
  idOf(maker: ClassConstructor): string | undefined;
  /** This process's own constructor of that name. */
  byId(id: string): ClassConstructor | undefined;
}

export const noClasses: ClassRegistry = { idOf: () => undefined, byId: () => undefined };
