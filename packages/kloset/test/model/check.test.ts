import { describe, expect, it } from 'vitest'
import { explore, type Model } from './check.js'

describe('the checker', () => {
  it('visits every state once', () => {
    const { states, steps, found, complete } = explore(counters({ lockFirst: true }))
    expect({ states, steps, found, complete }).toEqual({ states: 17, steps: 16, found: undefined, complete: true })
  })

  it('tells the shortest story of a violation', () => {
    const { found } = explore(counters({ lockFirst: false }))
    expect(found?.what).toBe('an increment was lost')
    expect(found?.story).toEqual(['0 reads 0', '1 reads 0', '0 writes 1', '1 writes 1'])
  })

  it('finds states from which a goal cannot be reached, and leaves out those that are excused', () => {
    const model = counters({ lockFirst: true })
    const forgets = {
      ...model,
      steps: (state: State) => [
        ...model.steps(state),
        { tells: 'the lock is lost', to: { ...state, lock: { by: 9 } } },
      ],
    }
    const { found } = explore(forgets)
    expect(found?.what).toBe('the end cannot come any more')
    expect(found?.story.at(-1)).toBe('the lock is lost')
    const goals = model.goals.map((goal) => ({ ...goal, excused: ({ lock }: State) => lock.by === 9 }))
    expect(explore({ ...forgets, goals }).found).toBeUndefined()
  })

  it('stops where there are too many states', () => {
    expect(explore(counters({ lockFirst: true }), 5)).toMatchObject({ found: undefined, complete: false })
  })
})

interface State {
  readonly counter: { readonly value: number }
  readonly lock: { readonly by: number }
  readonly clients: readonly { readonly at: 'start' | 'locked' | 'read' | 'written' | 'end'; readonly saw: number }[]
}

/** Two clients that each increment a counter by reading and writing it. */
function counters({ lockFirst }: { lockFirst: boolean }): Model<State> {
  return {
    start: { counter: { value: 0 }, lock: { by: -1 }, clients: [0, 1].map(() => ({ at: 'start', saw: 0 })) },
    steps: (state) =>
      state.clients.flatMap((me, who) => {
        const become = (at: (typeof me)['at'], more: Partial<State> = {}, saw = me.saw): State => ({
          ...state,
          ...more,
          clients: state.clients.with(who, { at, saw }),
        })
        const { value } = state.counter
        switch (me.at) {
          case 'start':
            if (lockFirst && state.lock.by !== -1) return []
            return [{ tells: `${who} ${lockFirst ? 'locks' : `reads ${value}`}`, to: first(become) }]
          case 'locked':
            return [{ tells: `${who} reads ${value}`, to: become('read', {}, value) }]
          case 'read':
            return [{ tells: `${who} writes ${me.saw + 1}`, to: become('written', { counter: { value: me.saw + 1 } }) }]
          case 'written':
            if (state.lock.by === 9) return []
            return [{ tells: `${who} ends`, to: become('end', { lock: { by: -1 } }) }]
          default:
            return []
        }

        function first(become: (at: 'locked' | 'read', more: Partial<State>, saw: number) => State): State {
          return lockFirst ? become('locked', { lock: { by: who } }, 0) : become('read', {}, value)
        }
      }),
    wrong: ({ counter, clients }) =>
      clients.every(({ at }) => at === 'written' || at === 'end') && counter.value !== 2
        ? 'an increment was lost'
        : undefined,
    goals: [
      { name: 'the end', reached: ({ clients }) => clients.every(({ at }) => at === 'end'), excused: () => false },
    ],
    parts: ({ counter, lock, clients }) => [counter, lock, ...clients],
    whole: ([counter, lock, ...clients]) => ({ counter, lock, clients }) as unknown as State,
  }
}
