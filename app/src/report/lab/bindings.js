let wasm_bindgen = (function(exports) {
    let script_src;
    if (typeof document !== 'undefined' && document.currentScript !== null) {
        script_src = new URL(document.currentScript.src, location.href).toString();
    }

    /**
     * Every value and gradient of a clip.
     */
    class Clip {
        static __wrap(ptr) {
            const obj = Object.create(Clip.prototype);
            obj.__wbg_ptr = ptr;
            ClipFinalization.register(obj, obj.__wbg_ptr, obj);
            return obj;
        }
        __destroy_into_raw() {
            const ptr = this.__wbg_ptr;
            this.__wbg_ptr = 0;
            ClipFinalization.unregister(this);
            return ptr;
        }
        free() {
            const ptr = this.__destroy_into_raw();
            wasm.__wbg_clip_free(ptr, 0);
        }
        /**
         * What the gates i, f, g, o of frame `t + 1` send back to `h` of a unit at frame `t`: the four terms of `W_hhᵀ·dâ`.
         * @param {number} lstm
         * @param {number} t
         * @param {number} unit
         * @returns {Float64Array}
         */
        arms(lstm, t, unit) {
            const ret = wasm.clip_arms(this.__wbg_ptr, lstm, t, unit);
            var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v1;
        }
        /**
         * Batch norm of a unit behind the residual connection, as [`norm`](Clip::norm); empty without one.
         * @param {number} unit
         * @returns {Float64Array}
         */
        bridge_norm(unit) {
            const ret = wasm.clip_bridge_norm(this.__wbg_ptr, unit);
            var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v1;
        }
        /**
         * The derivative by an element of tensor number `tensor`, for `count` frames from frame `first` on: its value, what backward says,
         * what dual numbers say, then the central differences in `f64` and in `f32` for each of `steps`.
         * @param {number} first
         * @param {number} count
         * @param {number} tensor
         * @param {number} element
         * @param {Float64Array | number[]} steps
         * @returns {Float64Array}
         */
        derivative(first, count, tensor, element, steps) {
            const val2 = +first;
            const val3 = +count;
            const val4 = +tensor;
            const val5 = +element;
            const ptr0 = passArrayF64ToWasm0(steps, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.clip_derivative(this.__wbg_ptr, val2, val3, val4, val5, ptr0, len0);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v6 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v6;
        }
        /**
         * `T`
         * @returns {number}
         */
        frames() {
            const ret = wasm.clip_frames(this.__wbg_ptr);
            return ret >>> 0;
        }
        /**
         * The class whose loss the gradients belong to.
         * @returns {number}
         */
        label() {
            const ret = wasm.clip_label(this.__wbg_ptr);
            return ret >>> 0;
        }
        /**
         * The element of tensor number `tensor` with the largest gradient, for `count` frames from frame `first` on.
         * @param {number} first
         * @param {number} count
         * @param {number} tensor
         * @returns {number}
         */
        largest(first, count, tensor) {
            const ret = wasm.clip_largest(this.__wbg_ptr, first, count, tensor);
            return ret >>> 0;
        }
        /**
         * L, in nats.
         * @returns {number}
         */
        loss() {
            const ret = wasm.clip_loss(this.__wbg_ptr);
            return ret;
        }
        /**
         * Batch norm of a unit of the context vector: running mean, `1/√(v + ε)`, γ and β.
         * @param {number} unit
         * @returns {Float64Array}
         */
        norm(unit) {
            const ret = wasm.clip_norm(this.__wbg_ptr, unit);
            var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v1;
        }
        /**
         * JSON: name and shape of every tensor that has a gradient, the input last.
         * @returns {string}
         */
        tensors() {
            let deferred1_0;
            let deferred1_1;
            try {
                const ret = wasm.clip_tensors(this.__wbg_ptr);
                deferred1_0 = ret[0];
                deferred1_1 = ret[1];
                return getStringFromWasm0(ret[0], ret[1]);
            } finally {
                wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
            }
        }
        /**
         * The terms of the gates i, f, g, o of a unit at a frame, before activation: `W_ih·x`, `W_hh·h₋₁` and the bias of each.
         * @param {number} lstm
         * @param {number} t
         * @param {number} unit
         * @returns {Float64Array}
         */
        terms(lstm, t, unit) {
            const ret = wasm.clip_terms(this.__wbg_ptr, lstm, t, unit);
            var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v1;
        }
        /**
         * Number of units of every LSTM.
         * @returns {Uint32Array}
         */
        units() {
            const ret = wasm.clip_units(this.__wbg_ptr);
            var v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
            return v1;
        }
        /**
         * The numbers of a quantity, row after row: of the clip `x`, `dx`, `probabilities` …, of an LSTM `0.h`, `1.dc` …
         * @param {string} name
         * @returns {Float64Array}
         */
        values(name) {
            const ptr0 = passStringToWasm0(name, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.clip_values(this.__wbg_ptr, ptr0, len0);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v2 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v2;
        }
        /**
         * A number that all gradients of a weight of the LSTM over the frames add up to, for a test of the page: dW_hh of a gate's unit and
         * an input unit.
         * @param {number} lstm
         * @param {number} row
         * @param {number} column
         * @returns {number}
         */
        weight_gradient(lstm, row, column) {
            const ret = wasm.clip_weight_gradient(this.__wbg_ptr, lstm, row, column);
            return ret;
        }
    }
    if (Symbol.dispose) Clip.prototype[Symbol.dispose] = Clip.prototype.free;
    exports.Clip = Clip;

    /**
     * A model in the lab; of one with branches the network of one branch.
     */
    class Lab {
        __destroy_into_raw() {
            const ptr = this.__wbg_ptr;
            this.__wbg_ptr = 0;
            LabFinalization.unregister(this);
            return ptr;
        }
        free() {
            const ptr = this.__destroy_into_raw();
            wasm.__wbg_lab_free(ptr, 0);
        }
        /**
         * The same clip under another change.
         * @param {Clip} clip
         * @param {string} what_if
         * @returns {Clip}
         */
        again(clip, what_if) {
            _assertClass(clip, Clip);
            const ptr0 = passStringToWasm0(what_if, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.lab_again(this.__wbg_ptr, clip.__wbg_ptr, ptr0, len0);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            return Clip.__wrap(ret[0]);
        }
        /**
         * Probabilities `[K]` of a clip by all branches, as `predict` averages them.
         * @param {Float32Array | number[]} samples
         * @param {number} rate
         * @returns {Float32Array}
         */
        answer(samples, rate) {
            const val2 = +rate;
            const ptr0 = passArrayF32ToWasm0(samples, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.lab_answer(this.__wbg_ptr, ptr0, len0, val2);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v3 = getArrayF32FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
            return v3;
        }
        /**
         * The clip's features, and all that the model makes of them. `what_if` is JSON of a [`WhatIf`].
         * @param {Float32Array | number[]} samples
         * @param {number} rate
         * @param {string} what_if
         * @returns {Clip}
         */
        clip(samples, rate, what_if) {
            const val3 = +rate;
            let ptr0, len0, ptr1, len1;
            try {
                ptr0 = passArrayF32ToWasm0(samples, wasm.__wbindgen_malloc);
                len0 = WASM_VECTOR_LEN;
                ptr1 = passStringToWasm0(what_if, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
                len1 = WASM_VECTOR_LEN;
            } catch (e) {
                if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
                if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
                throw e;
            }
            const ret = wasm.lab_clip(this.__wbg_ptr, ptr0, len0, val3, ptr1, len1);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            return Clip.__wrap(ret[0]);
        }
        /**
         * A recording at `rate` Hz that begins now.
         * @param {number} rate
         * @returns {Live}
         */
        live(rate) {
            const ret = wasm.lab_live(this.__wbg_ptr, rate);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            return Live.__wrap(ret[0]);
        }
        /**
         * All that the network makes of the frames so far. `what_if` as in [`clip`](Lab::clip).
         * @param {Live} live
         * @param {string} what_if
         * @returns {Clip}
         */
        live_clip(live, what_if) {
            _assertClass(live, Live);
            const ptr0 = passStringToWasm0(what_if, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.lab_live_clip(this.__wbg_ptr, live.__wbg_ptr, ptr0, len0);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            return Clip.__wrap(ret[0]);
        }
        /**
         * The model of a file, of its branch `branch`, from 0.
         * @param {Uint8Array | number[]} bytes
         * @param {number} branch
         */
        constructor(bytes, branch) {
            const val2 = +branch;
            const ptr0 = passArray8ToWasm0(bytes, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.lab_new(ptr0, len0, val2);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            this.__wbg_ptr = ret[0];
            LabFinalization.register(this, this.__wbg_ptr, this);
            return this;
        }
        /**
         * What the model reads of samples: at its rate, and without what its preparation leaves out.
         * @param {Float32Array | number[]} samples
         * @param {number} rate
         * @returns {Float32Array}
         */
        sound(samples, rate) {
            const val2 = +rate;
            const ptr0 = passArrayF32ToWasm0(samples, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.lab_sound(this.__wbg_ptr, ptr0, len0, val2);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v3 = getArrayF32FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
            return v3;
        }
    }
    if (Symbol.dispose) Lab.prototype[Symbol.dispose] = Lab.prototype.free;
    exports.Lab = Lab;

    /**
     * Sound in as it arrives. Each frame is computed once: its features by the engine's live front end, its probabilities by the network
     * that the lab shows, one step further.
     */
    class Live {
        static __wrap(ptr) {
            const obj = Object.create(Live.prototype);
            obj.__wbg_ptr = ptr;
            LiveFinalization.register(obj, obj.__wbg_ptr, obj);
            return obj;
        }
        __destroy_into_raw() {
            const ptr = this.__wbg_ptr;
            this.__wbg_ptr = 0;
            LiveFinalization.unregister(this);
            return ptr;
        }
        free() {
            const ptr = this.__destroy_into_raw();
            wasm.__wbg_live_free(ptr, 0);
        }
        /**
         * `T`
         * @returns {number}
         */
        frames() {
            const ret = wasm.live_frames(this.__wbg_ptr);
            return ret >>> 0;
        }
        /**
         * Probabilities `[K]` after each frame that these samples complete, one row per frame.
         * @param {Float32Array | number[]} samples
         * @returns {Float64Array}
         */
        push(samples) {
            const ptr0 = passArrayF32ToWasm0(samples, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.live_push(this.__wbg_ptr, ptr0, len0);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v2 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v2;
        }
        /**
         * The sound of the frames, at the model's rate.
         * @returns {Float32Array}
         */
        sound() {
            const ret = wasm.live_sound(this.__wbg_ptr);
            var v1 = getArrayF32FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
            return v1;
        }
    }
    if (Symbol.dispose) Live.prototype[Symbol.dispose] = Live.prototype.free;
    exports.Live = Live;

    /**
     * A trained model.
     */
    class Model {
        __destroy_into_raw() {
            const ptr = this.__wbg_ptr;
            this.__wbg_ptr = 0;
            ModelFinalization.unregister(this);
            return ptr;
        }
        free() {
            const ptr = this.__destroy_into_raw();
            wasm.__wbg_model_free(ptr, 0);
        }
        /**
         * Class names, `[K]`.
         * @returns {string[]}
         */
        labels() {
            const ret = wasm.model_labels(this.__wbg_ptr);
            var v1 = getArrayJsValueFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
            return v1;
        }
        /**
         * The description in the file as JSON, or undefined.
         * @returns {string | undefined}
         */
        metadata() {
            const ret = wasm.model_metadata(this.__wbg_ptr);
            let v1;
            if (ret[0] !== 0) {
                v1 = getStringFromWasm0(ret[0], ret[1]);
                wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
            }
            return v1;
        }
        /**
         * From the bytes of a model file.
         * @param {Uint8Array | number[]} bytes
         */
        constructor(bytes) {
            const ptr0 = passArray8ToWasm0(bytes, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.model_new(ptr0, len0);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            this.__wbg_ptr = ret[0];
            ModelFinalization.register(this, this.__wbg_ptr, this);
            return this;
        }
        /**
         * Row of the prediction for samples at `rate` Hz.
         * @param {Float32Array | number[]} samples
         * @param {number} rate
         * @returns {Float64Array}
         */
        predict(samples, rate) {
            const val2 = +rate;
            const ptr0 = passArrayF32ToWasm0(samples, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.model_predict(this.__wbg_ptr, ptr0, len0, val2);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v3 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v3;
        }
        /**
         * Hz
         * @returns {number}
         */
        sample_rate() {
            const ret = wasm.model_sample_rate(this.__wbg_ptr);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            return ret[0] >>> 0;
        }
        /**
         * Predicts the speaker of a profile, which is JSON as `reslstm enrol` writes it, or any speaker.
         * @param {string | null} [json]
         */
        set_profile(json) {
            var ptr0 = isLikeNone(json) ? 0 : passStringToWasm0(json, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            var len0 = WASM_VECTOR_LEN;
            const ret = wasm.model_set_profile(this.__wbg_ptr, ptr0, len0);
            if (ret[1]) {
                throw takeFromExternrefTable0(ret[0]);
            }
        }
        /**
         * A stream of samples at `rate` Hz, which adapts to its speaker if `adapt`.
         * @param {number} rate
         * @param {boolean} adapt
         * @returns {Stream}
         */
        stream(rate, adapt) {
            const ret = wasm.model_stream(this.__wbg_ptr, rate, adapt);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            return Stream.__wrap(ret[0]);
        }
    }
    if (Symbol.dispose) Model.prototype[Symbol.dispose] = Model.prototype.free;
    exports.Model = Model;

    /**
     * A recording that is still going on.
     */
    class Stream {
        static __wrap(ptr) {
            const obj = Object.create(Stream.prototype);
            obj.__wbg_ptr = ptr;
            StreamFinalization.register(obj, obj.__wbg_ptr, obj);
            return obj;
        }
        __destroy_into_raw() {
            const ptr = this.__wbg_ptr;
            this.__wbg_ptr = 0;
            StreamFinalization.unregister(this);
            return ptr;
        }
        free() {
            const ptr = this.__destroy_into_raw();
            wasm.__wbg_stream_free(ptr, 0);
        }
        /**
         * Ends the recording: rows of its last frames. The next push begins another one.
         * @returns {Float64Array}
         */
        finish() {
            const ret = wasm.stream_finish(this.__wbg_ptr);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v1;
        }
        /**
         * Rows of the frames that these samples complete.
         * @param {Float32Array | number[]} samples
         * @returns {Float64Array}
         */
        push(samples) {
            const ptr0 = passArrayF32ToWasm0(samples, wasm.__wbindgen_malloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.stream_push(this.__wbg_ptr, ptr0, len0);
            if (ret[3]) {
                throw takeFromExternrefTable0(ret[2]);
            }
            var v2 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v2;
        }
    }
    if (Symbol.dispose) Stream.prototype[Symbol.dispose] = Stream.prototype.free;
    exports.Stream = Stream;

    /**
     * A network in training.
     */
    class Training {
        static __wrap(ptr) {
            const obj = Object.create(Training.prototype);
            obj.__wbg_ptr = ptr;
            TrainingFinalization.register(obj, obj.__wbg_ptr, obj);
            return obj;
        }
        __destroy_into_raw() {
            const ptr = this.__wbg_ptr;
            this.__wbg_ptr = 0;
            TrainingFinalization.unregister(this);
            return ptr;
        }
        free() {
            const ptr = this.__destroy_into_raw();
            wasm.__wbg_training_free(ptr, 0);
        }
        /**
         * The share of right answers on `count` new sequences, or on all clips for tests.
         * @param {number} count
         * @returns {number}
         */
        accuracy(count) {
            const ret = wasm.training_accuracy(this.__wbg_ptr, count);
            return ret;
        }
        /**
         * A new sequence: number of frames, class, probability of class 1, the frames `[T,columns]`, the attention `[T]`, and the gates i, f, o and
         * the cell of unit `unit`, `[T]` each.
         * @param {number} number
         * @param {number} unit
         * @returns {Float64Array}
         */
        example(number, unit) {
            const ret = wasm.training_example(this.__wbg_ptr, number, unit);
            var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v1;
        }
        /**
         * Random weights; `settings` is JSON.
         * @param {string} settings
         */
        constructor(settings) {
            const ptr0 = passStringToWasm0(settings, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            const len0 = WASM_VECTOR_LEN;
            const ret = wasm.training_new(ptr0, len0);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            this.__wbg_ptr = ret[0];
            TrainingFinalization.register(this, this.__wbg_ptr, this);
            return this;
        }
        /**
         * Random weights for two classes of clips: their numbers of frames, their classes, and their frames `[T,columns]` one after the
         * other, in sixteenths; the last `tested` clips are for tests only.
         * @param {string} settings
         * @param {Uint32Array | number[]} lengths
         * @param {Uint8Array | number[]} labels
         * @param {Int8Array | number[]} sixteenths
         * @param {number} tested
         * @returns {Training}
         */
        static of_clips(settings, lengths, labels, sixteenths, tested) {
            const val5 = +tested;
            let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3;
            try {
                ptr0 = passStringToWasm0(settings, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
                len0 = WASM_VECTOR_LEN;
                ptr1 = passArray32ToWasm0(lengths, wasm.__wbindgen_malloc);
                len1 = WASM_VECTOR_LEN;
                ptr2 = passArray8ToWasm0(labels, wasm.__wbindgen_malloc);
                len2 = WASM_VECTOR_LEN;
                ptr3 = passArray8ToWasm0(sixteenths, wasm.__wbindgen_malloc);
                len3 = WASM_VECTOR_LEN;
            } catch (e) {
                if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 1, 1); }
                if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 1, 1); }
                if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
                if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
                throw e;
            }
            const ret = wasm.training_of_clips(ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3, val5);
            if (ret[2]) {
                throw takeFromExternrefTable0(ret[1]);
            }
            return Training.__wrap(ret[0]);
        }
        /**
         * One step on new sequences: loss, length of the gradient of all parameters before clipping, mean forget gate, and the lengths of
         * the gradients of the lower LSTM, the upper one, the attention and the linear layer.
         * @returns {Float64Array}
         */
        step() {
            const ret = wasm.training_step(this.__wbg_ptr);
            var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
            return v1;
        }
    }
    if (Symbol.dispose) Training.prototype[Symbol.dispose] = Training.prototype.free;
    exports.Training = Training;

    /**
     * JSON: for each tensor of a small LSTM its name, the largest error of a backward with fault `number` against dual numbers, in shares of
     * the largest gradient, and the two numbers there.
     * @param {number} number
     * @param {number} seed
     * @returns {string}
     */
    function audit_fault(number, seed) {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.audit_fault(number, seed);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    exports.audit_fault = audit_fault;

    /**
     * Number of faults, the absence of one included.
     * @returns {number}
     */
    function fault_count() {
        const ret = wasm.fault_count();
        return ret >>> 0;
    }
    exports.fault_count = fault_count;

    /**
     * What a fault does, in a sentence.
     * @param {number} number
     * @returns {string}
     */
    function fault_sentence(number) {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.fault_sentence(number);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    exports.fault_sentence = fault_sentence;

    /**
     * The lengths of ∂L/∂c, `[T]`, and of ∂L/∂h, `[T]`, and the mean forget gate of all frames and units. The LSTM has the initial weights
     * of training, but `bias` as the sum of the forget gate's biases; it reads noise; the loss is the sum of its last hidden state.
     * @param {number} bias
     * @param {number} inputs
     * @param {number} hidden
     * @param {number} frames
     * @param {number} seed
     * @returns {Float64Array}
     */
    function forget(bias, inputs, hidden, frames, seed) {
        const ret = wasm.forget(bias, inputs, hidden, frames, seed);
        var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
        wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
        return v1;
    }
    exports.forget = forget;
    function __wbg_get_imports() {
        const import0 = {
            __proto__: null,
            __wbg_Error_208446807d0d1e30: function(arg0, arg1) {
                const ret = Error(getStringFromWasm0(arg0, arg1));
                return ret;
            },
            __wbg___wbindgen_throw_4c88d8bf264fd984: function(arg0, arg1) {
                throw new Error(getStringFromWasm0(arg0, arg1));
            },
            __wbindgen_generic_0000000000000001: function(arg0, arg1) {
                // Cast intrinsic for `Ref(String) -> Externref`.
                const ret = getStringFromWasm0(arg0, arg1);
                return ret;
            },
            __wbindgen_init_externref_table: function() {
                const table = wasm.__wbindgen_externrefs;
                table.set(0, undefined);
                table.set(1024, undefined);
                table.set(1025, null);
                table.set(1026, true);
                table.set(1027, false);
            },
        };
        return {
            __proto__: null,
            "./engine_bg.js": import0,
        };
    }

    const ClipFinalization = (typeof FinalizationRegistry === 'undefined')
        ? { register: () => {}, unregister: () => {} }
        : new FinalizationRegistry(ptr => wasm.__wbg_clip_free(ptr, 1));
    const LabFinalization = (typeof FinalizationRegistry === 'undefined')
        ? { register: () => {}, unregister: () => {} }
        : new FinalizationRegistry(ptr => wasm.__wbg_lab_free(ptr, 1));
    const LiveFinalization = (typeof FinalizationRegistry === 'undefined')
        ? { register: () => {}, unregister: () => {} }
        : new FinalizationRegistry(ptr => wasm.__wbg_live_free(ptr, 1));
    const ModelFinalization = (typeof FinalizationRegistry === 'undefined')
        ? { register: () => {}, unregister: () => {} }
        : new FinalizationRegistry(ptr => wasm.__wbg_model_free(ptr, 1));
    const StreamFinalization = (typeof FinalizationRegistry === 'undefined')
        ? { register: () => {}, unregister: () => {} }
        : new FinalizationRegistry(ptr => wasm.__wbg_stream_free(ptr, 1));
    const TrainingFinalization = (typeof FinalizationRegistry === 'undefined')
        ? { register: () => {}, unregister: () => {} }
        : new FinalizationRegistry(ptr => wasm.__wbg_training_free(ptr, 1));

    function _assertClass(instance, klass) {
        if (!(instance instanceof klass)) {
            throw new Error(`expected instance of ${klass.name}`);
        }
    }

    function getArrayF32FromWasm0(ptr, len) {
        ptr = ptr >>> 0;
        return getFloat32ArrayMemory0().subarray(ptr / 4, ptr / 4 + len);
    }

    function getArrayF64FromWasm0(ptr, len) {
        ptr = ptr >>> 0;
        return getFloat64ArrayMemory0().subarray(ptr / 8, ptr / 8 + len);
    }

    function getArrayJsValueFromWasm0(ptr, len) {
        ptr = ptr >>> 0;
        const mem = getDataViewMemory0();
        const result = [];
        for (let i = ptr; i < ptr + 4 * len; i += 4) {
            result.push(wasm.__wbindgen_externrefs.get(mem.getUint32(i, true)));
        }
        wasm.__externref_drop_slice(ptr, len);
        return result;
    }

    function getArrayU32FromWasm0(ptr, len) {
        ptr = ptr >>> 0;
        return getUint32ArrayMemory0().subarray(ptr / 4, ptr / 4 + len);
    }

    let cachedDataViewMemory0 = null;
    function getDataViewMemory0() {
        if (cachedDataViewMemory0 === null || cachedDataViewMemory0.buffer.detached === true || (cachedDataViewMemory0.buffer.detached === undefined && cachedDataViewMemory0.buffer !== wasm.memory.buffer)) {
            cachedDataViewMemory0 = new DataView(wasm.memory.buffer);
        }
        return cachedDataViewMemory0;
    }

    let cachedFloat32ArrayMemory0 = null;
    function getFloat32ArrayMemory0() {
        if (cachedFloat32ArrayMemory0 === null || cachedFloat32ArrayMemory0.byteLength === 0) {
            cachedFloat32ArrayMemory0 = new Float32Array(wasm.memory.buffer);
        }
        return cachedFloat32ArrayMemory0;
    }

    let cachedFloat64ArrayMemory0 = null;
    function getFloat64ArrayMemory0() {
        if (cachedFloat64ArrayMemory0 === null || cachedFloat64ArrayMemory0.byteLength === 0) {
            cachedFloat64ArrayMemory0 = new Float64Array(wasm.memory.buffer);
        }
        return cachedFloat64ArrayMemory0;
    }

    function getStringFromWasm0(ptr, len) {
        ptr = ptr >>> 0;
        return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
    }

    let cachedUint32ArrayMemory0 = null;
    function getUint32ArrayMemory0() {
        if (cachedUint32ArrayMemory0 === null || cachedUint32ArrayMemory0.byteLength === 0) {
            cachedUint32ArrayMemory0 = new Uint32Array(wasm.memory.buffer);
        }
        return cachedUint32ArrayMemory0;
    }

    let cachedUint8ArrayMemory0 = null;
    function getUint8ArrayMemory0() {
        if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
            cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
        }
        return cachedUint8ArrayMemory0;
    }

    function isLikeNone(x) {
        return x === undefined || x === null;
    }

    function passArray32ToWasm0(arg, malloc) {
        const ptr = malloc(arg.length * 4, 4) >>> 0;
        getUint32ArrayMemory0().set(arg, ptr / 4);
        WASM_VECTOR_LEN = arg.length;
        return ptr;
    }

    function passArray8ToWasm0(arg, malloc) {
        const ptr = malloc(arg.length * 1, 1) >>> 0;
        getUint8ArrayMemory0().set(arg, ptr / 1);
        WASM_VECTOR_LEN = arg.length;
        return ptr;
    }

    function passArrayF32ToWasm0(arg, malloc) {
        const ptr = malloc(arg.length * 4, 4) >>> 0;
        getFloat32ArrayMemory0().set(arg, ptr / 4);
        WASM_VECTOR_LEN = arg.length;
        return ptr;
    }

    function passArrayF64ToWasm0(arg, malloc) {
        const ptr = malloc(arg.length * 8, 8) >>> 0;
        getFloat64ArrayMemory0().set(arg, ptr / 8);
        WASM_VECTOR_LEN = arg.length;
        return ptr;
    }

    function passStringToWasm0(arg, malloc, realloc) {
        if (realloc === undefined) {
            const buf = cachedTextEncoder.encode(arg);
            const ptr = malloc(buf.length, 1) >>> 0;
            getUint8ArrayMemory0().subarray(ptr, ptr + buf.length).set(buf);
            WASM_VECTOR_LEN = buf.length;
            return ptr;
        }

        let len = arg.length;
        let ptr = malloc(len, 1) >>> 0;

        const mem = getUint8ArrayMemory0();

        let offset = 0;

        for (; offset < len; offset++) {
            const code = arg.charCodeAt(offset);
            if (code > 0x7F) break;
            mem[ptr + offset] = code;
        }
        if (offset !== len) {
            if (offset !== 0) {
                arg = arg.slice(offset);
            }
            ptr = realloc(ptr, len, len = offset + arg.length * 3, 1) >>> 0;
            const view = getUint8ArrayMemory0().subarray(ptr + offset, ptr + len);
            const ret = cachedTextEncoder.encodeInto(arg, view);

            offset += ret.written;
            ptr = realloc(ptr, len, offset, 1) >>> 0;
        }

        WASM_VECTOR_LEN = offset;
        return ptr;
    }

    function takeFromExternrefTable0(idx) {
        const value = wasm.__wbindgen_externrefs.get(idx);
        wasm.__externref_table_dealloc(idx);
        return value;
    }

    let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
    cachedTextDecoder.decode();
    function decodeText(bytes) {
        return cachedTextDecoder.decode(bytes);
    }

    const cachedTextEncoder = new TextEncoder();

    if (!('encodeInto' in cachedTextEncoder)) {
        cachedTextEncoder.encodeInto = function (arg, view) {
            const buf = cachedTextEncoder.encode(arg);
            view.set(buf);
            return {
                read: arg.length,
                written: buf.length
            };
        };
    }

    let WASM_VECTOR_LEN = 0;

    let wasmModule, wasmInstance, wasm;
    function __wbg_finalize_init(instance, module) {
        wasmInstance = instance;
        wasm = instance.exports;
        wasmModule = module;
        cachedDataViewMemory0 = null;
        cachedFloat32ArrayMemory0 = null;
        cachedFloat64ArrayMemory0 = null;
        cachedUint32ArrayMemory0 = null;
        cachedUint8ArrayMemory0 = null;
        wasm.__wbindgen_start();
        return wasm;
    }

    async function __wbg_load(module, imports) {
        if (typeof Response === 'function' && module instanceof Response) {
            if (!module.ok) {
                throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
            }

            if (typeof WebAssembly.instantiateStreaming === 'function') {
                try {
                    return await WebAssembly.instantiateStreaming(module, imports);
                } catch (e) {
                    const validResponse = expectedResponseType(module.type);

                    if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                        console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                    } else { throw e; }
                }
            }

            const bytes = await module.arrayBuffer();
            return await WebAssembly.instantiate(bytes, imports);
        } else {
            const instance = await WebAssembly.instantiate(module, imports);

            if (instance instanceof WebAssembly.Instance) {
                return { instance, module };
            } else {
                return instance;
            }
        }

        function expectedResponseType(type) {
            switch (type) {
                case 'basic': case 'cors': case 'default': return true;
            }
            return false;
        }
    }

    function initSync(module) {
        if (wasm !== undefined) return wasm;


        if (module !== undefined) {
            if (Object.getPrototypeOf(module) === Object.prototype) {
                ({module} = module)
            } else {
                console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
            }
        }

        const imports = __wbg_get_imports();
        if (!(module instanceof WebAssembly.Module)) {
            module = new WebAssembly.Module(module);
        }
        const instance = new WebAssembly.Instance(module, imports);
        return __wbg_finalize_init(instance, module);
    }

    let __wbg_init_promise;
    async function __wbg_init(module_or_path) {
        if (wasm !== undefined) return wasm;
        if (__wbg_init_promise === undefined) {
            __wbg_init_promise = __wbg_init_once(module_or_path);
            __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
        }
        return __wbg_init_promise;
    }

    async function __wbg_init_once(module_or_path) {

        if (module_or_path !== undefined) {
            if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
                ({module_or_path} = module_or_path)
            } else {
                console.warn('using deprecated parameters for the initialization function; pass a single object instead')
            }
        }


        const imports = __wbg_get_imports();

        if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
            module_or_path = fetch(module_or_path);
        }

        const { instance, module } = await __wbg_load(await module_or_path, imports);

        return __wbg_finalize_init(instance, module);
    }

    return Object.assign(__wbg_init, { initSync }, exports);
})({ __proto__: null });
