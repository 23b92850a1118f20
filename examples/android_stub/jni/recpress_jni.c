/* The C engine behind org.example.recpress.NativeScorer.
 *
 * All memory is Java's, in direct buffers: the mapped model.bin, the opened rp_model, what is asked and what is
 * answered. Nothing is allocated or kept here, so nothing can leak. Returned codes are those of recpress.h.
 */
#include <jni.h>
#include <stdint.h>

#include "recpress.h"

#define ALIGNMENT 16u /* of what recpress.h calls scratch */

/* What a direct buffer holds, from its first byte on. */
static void *bytes(JNIEnv *env, jobject buffer)
{
    return (*env)->GetDirectBufferAddress(env, buffer);
}

JNIEXPORT jint JNICALL Java_org_example_recpress_NativeScorer_modelBytes(JNIEnv *env, jclass type)
{
    (void)env;
    (void)type;
    return (jint)sizeof(rp_model);
}

/* Opens the file into `model`, a buffer of modelBytes(). */
JNIEXPORT jint JNICALL Java_org_example_recpress_NativeScorer_open(JNIEnv *env, jclass type, jobject model,
                                                                   jobject file)
{
    (void)type;
    return rp_open(bytes(env, model), bytes(env, file), (size_t)(*env)->GetDirectBufferCapacity(env, file));
}

/* Bytes of a scratch buffer, wherever it starts. */
JNIEXPORT jlong JNICALL Java_org_example_recpress_NativeScorer_scratchBytes(JNIEnv *env, jclass type,
                                                                            jobject model, jint k)
{
    (void)type;
    return (jlong)(rp_scratch_bytes(bytes(env, model), (uint32_t)k) + ALIGNMENT - 1);
}

/* asked: user, k, how many seen items, then these: int32 each. items and scores have room for k. */
JNIEXPORT jint JNICALL Java_org_example_recpress_NativeScorer_recommend(JNIEnv *env, jclass type, jobject model,
                                                                        jobject asked, jobject items,
                                                                        jobject scores, jobject scratch)
{
    const uint32_t *words = bytes(env, asked);
    uintptr_t start = (uintptr_t)bytes(env, scratch);
    uintptr_t aligned = (start + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    size_t size = (size_t)(*env)->GetDirectBufferCapacity(env, scratch) - (size_t)(aligned - start);
    rp_query query = {.user = words[0], .k = words[1], .n_seen = words[2], .seen = words + 3};

    (void)type;
    return rp_recommend(bytes(env, model), &query, bytes(env, items), bytes(env, scores), (void *)aligned, size);
}
