// Questions to the master, each answered by a number or an error: how many partitions an RDD will have, and whether a lineage was
// cut. They start no job. Each has its own number, by which the answer finds who asked.

import { fromWireError } from "../core/errors.js";
import type { MasterToDriver } from "../protocol/driver.js";

type Answer = MasterToDriver & { readonly kind: "partitions" };

interface Question {
  resolve(answer: number): void;
  reject(error: Error): void;
}

export class MasterQuestions {
  readonly #open = new Map<number, Question>();
  #asked = 0;

  /** `send` puts the question with this number to the master. */
  ask(send: (request: number) => void): Promise<number> {
    const request = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#open.set(request, { resolve, reject });
      send(request);
    });
  }

  answered({ request, count, error }: Answer): void {
    const question = this.#open.get(request);
    this.#open.delete(request);
    if (error !== null) question?.reject(fromWireError(error));
    else if (count !== null) question?.resolve(count);
  }

  /** The session is over: nobody answers any more. */
  end(why: Error): void {
    for (const question of this.#open.values()) question.reject(why);
    this.#open.clear();
  }
}
