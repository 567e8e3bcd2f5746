use super::*;
use crate::audit::{assert_gradients, subjects::LstmSubject};
use crate::packed::Padding;
use crate::rng::RandomStream;

#[test]
fn the_backward_is_the_derivative_of_the_forward() {
    for (lengths, inputs, hidden) in [(&[5, 3, 2][..], 7, 2), (&[4, 4, 1], 3, 5), (&[1], 1, 1), (&[3, 2], 5, 17)] {
        assert_gradients(&LstmSubject { layout: Packed::new(lengths, Padding::Ignored), inputs, hidden });
    }
}

#[test]
fn gradients_are_collected_over_several_flushes() {
    let layout = Packed::new(&[150, 120], Padding::Ignored);
    assert!(layout.frames() > BLOCK_FRAMES);
    assert_gradients(&LstmSubject { layout, inputs: 1, hidden: 1 });
}

#[test]
fn a_clip_alone_has_the_states_it_has_in_company() {
    // More than two blocks of what is computed ahead for a clip alone.
    let frames = 2 * BLOCK_FRAMES + 9;
    let mut stream = RandomStream::new(4, "clip", 0);
    let layer = Lstm::<f32>::init(3, 5, &mut stream);
    let clip = Matrix::from_vec(frames, 3, (0..3 * frames).map(|_| stream.normal() as f32).collect());
    let mut company = clip.iter_rows().map(<[f32]>::to_vec).collect::<Vec<_>>();
    company.insert(1, vec![1.0, -2.0, 0.5]);
    let (mut alone, mut together) = (LstmTape::default(), LstmTape::default());
    layer.forward(&Packed::new(&[frames], Padding::Ignored), &clip, &mut alone);
    layer.forward(&Packed::new(&[frames, 1], Padding::Ignored), &Matrix::from_rows(&company), &mut together);
    for t in 0..frames {
        assert_eq!(alone.h.row(t), together.h.row(if t == 0 { 0 } else { t + 1 }), "frame {t}");
    }
}

#[test]
fn a_backward_between_forwards_leaves_the_packed_weights_alone() {
    // D = H too: there a product with the transpose would run unnoticed.
    for (inputs, hidden) in [(5, 5), (18, 18), (7, 3)] {
        for (lengths, packing) in
            [(&[4][..], Packing::OneClip), (&[4][..], Packing::Batches), (&[4, 2, 1], Packing::Batches)]
        {
            let mut stream = RandomStream::new(6, "packed", 0);
            let layer = Lstm::<f64>::init(inputs, hidden, &mut stream);
            let layout = Packed::new(lengths, Padding::Ignored);
            let frames = layout.frames();
            let x = Matrix::from_vec(frames, inputs, (0..frames * inputs).map(|_| stream.normal()).collect());
            let (mut tape, mut grads) = (LstmTape::default(), Lstm::zeros(inputs, hidden));
            let packed = PackedLstm::new(&layer, packing);
            layer.forward(&layout, &x, &mut tape);
            let expected = tape.h.clone();
            for _ in 0..2 {
                layer.backward(&layout, &x, &mut tape, &expected, &mut grads, None);
                packed.forward(&layout, &x, &mut tape);
                assert_eq!(tape.h, expected, "packed for {packing:?}, {inputs} to {hidden}");
                layer.backward(&layout, &x, &mut tape, &expected, &mut grads, None);
                layer.forward(&layout, &x, &mut tape);
                assert_eq!(tape.h, expected, "{inputs} to {hidden}");
            }
        }
    }
}

#[test]
fn state_gradients_explain_the_gates_gradients() {
    let subject = LstmSubject { layout: Packed::new(&[5, 3, 1], Padding::Ignored), inputs: 3, hidden: 4 };
    let crate::audit::Point { layer, x, dy } = crate::audit::random_point(&subject, 1);
    let (mut tape, mut grads) = (LstmTape::default(), Lstm::zeros(3, 4));
    layer.forward(&subject.layout, &x, &mut tape);
    layer.backward(&subject.layout, &x, &mut tape, &dy, &mut grads, None);
    let all = layer.state_gradients(&subject.layout, &tape, &dy);
    assert_eq!((all.h.shape(), all.c.shape()), ([9, 4], [9, 4]));
    // Those of the gates are backward's, which the audit has proved.
    for (got, expected) in all.gates.iter().zip(&tape.dgates) {
        assert_eq!(got.as_slice(), expected.as_slice());
    }
    // h = o⊙tanh(c) and c = … + i⊙g give the gates their gradients.
    let [i, _, g, o] = tape.gates.each_ref().map(Matrix::as_slice);
    for u in 0..all.h.as_slice().len() {
        let tanh_c = tape.tanh_c.as_slice()[u];
        let d_o = all.h.as_slice()[u] * tanh_c * o[u] * (1.0 - o[u]);
        approx::assert_abs_diff_eq!(tape.dgates[3].as_slice()[u], d_o, epsilon = 1e-15);
        let dg = all.c.as_slice()[u] * i[u] * (1.0 - g[u] * g[u]);
        approx::assert_abs_diff_eq!(tape.dgates[2].as_slice()[u], dg, epsilon = 1e-15);
    }
}

#[test]
fn one_unit_two_frames_worked_by_hand() {
    // D = H = 1; gates i, f, g, o with weights that are all different.
    let layer = Lstm {
        weight_ih: Matrix::from_rows(&[[0.1], [0.2], [0.3], [0.4]]),
        weight_hh: Matrix::from_rows(&[[0.5], [0.6], [0.7], [0.8]]),
        bias_ih: vec![0.01, 0.02, 0.03, 0.04],
        bias_hh: vec![0.05, 0.06, 0.07, 0.08],
    };
    let x = Matrix::from_rows(&[[1.0], [-2.0]]);
    let mut tape = LstmTape::default();
    layer.forward(&Packed::new(&[2], Padding::Ignored), &x, &mut tape);
    let sigmoid = |a: f64| 1.0 / (1.0 + (-a).exp());
    let (i, g, o) = (sigmoid(0.1 + 0.06), f64::tanh(0.3 + 0.10), sigmoid(0.4 + 0.12));
    let c1 = i * g;
    let h1 = o * c1.tanh();
    approx::assert_abs_diff_eq!(tape.h[(0, 0)], h1, epsilon = 1e-15);
    let (i, f) = (sigmoid(-0.2 + 0.5 * h1 + 0.06), sigmoid(-0.4 + 0.6 * h1 + 0.08));
    let (g, o) = (f64::tanh(-0.6 + 0.7 * h1 + 0.10), sigmoid(-0.8 + 0.8 * h1 + 0.12));
    let c2 = f * c1 + i * g;
    approx::assert_abs_diff_eq!(tape.h[(1, 0)], o * c2.tanh(), epsilon = 1e-15);
}

#[test]
fn initial_values_follow_the_published_code() {
    let layer = Lstm::<f64>::init(46, 64, &mut RandomStream::new(5, "init", 0));
    let w = &layer.weight_hh;
    for a in 0..64 {
        for b in 0..=a {
            let dot: f64 = (0..256).map(|r| w[(r, a)] * w[(r, b)]).sum();
            approx::assert_abs_diff_eq!(dot, if a == b { 1.0 } else { 0.0 }, epsilon = 1e-12);
        }
    }
    let variance = layer.weight_ih.as_slice().iter().map(|w| w * w).sum::<f64>() / (256.0 * 46.0);
    // 11,776 values: the standard error of the variance is 1.3 %.
    approx::assert_relative_eq!(variance, 2.0 / (46.0 + 256.0), max_relative = 0.065);
    for bias in [&layer.bias_ih, &layer.bias_hh] {
        assert!(bias.iter().enumerate().all(|(u, &b)| b == if (64..128).contains(&u) { 1.0 } else { 0.0 }));
    }
}
